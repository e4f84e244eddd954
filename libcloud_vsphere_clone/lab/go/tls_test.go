package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
)

func authorityOf(t *testing.T, lab *Lab) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(lab.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("ca.pem holds no certificate")
	}
	return pool
}

// dial verifies the server's certificate for one name.
func dial(lab *Lab, name string, authority *x509.CertPool) error {
	connection, err := tls.Dial("tcp", lab.URL().Host, &tls.Config{ServerName: name, RootCAs: authority})
	if err == nil {
		err = connection.Close()
	}
	return err
}

func TestServerCertificate(t *testing.T) {
	lab := startLab(t)
	authority := authorityOf(t, lab)
	for _, name := range []string{"127.0.0.1", "::1", "localhost"} {
		if err := dial(lab, name, authority); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wrongName x509.HostnameError
	if err := dial(lab, "vcenter.example.com", authority); !errors.As(err, &wrongName) {
		t.Errorf("another name: %v", err)
	}
	var stranger x509.UnknownAuthorityError
	if err := dial(lab, "localhost", nil); !errors.As(err, &stranger) {
		t.Errorf("with the system's authorities: %v", err)
	}
	other := startLab(t)
	if err := dial(lab, "localhost", authorityOf(t, other)); !errors.As(err, &stranger) {
		t.Errorf("with another lab's authority: %v", err)
	}
}

func TestAuthoritySignsForLoopbackOnly(t *testing.T) {
	made, err := newCertificates()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(made.authority)
	leaf, err := x509.ParseCertificate(made.genuine.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(leaf.AuthorityKeyId) == 0 || leaf.IsCA {
		t.Error("a strict verifier refuses the server certificate")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "localhost"}); err != nil {
		t.Error(err)
	}
}

func TestSwapCertificate(t *testing.T) {
	lab := startLab(t)
	authority := authorityOf(t, lab)
	client := connect(t, lab)
	steer(t, lab, "POST", "/v1/tls/swap", nil, nil)
	var stranger x509.UnknownAuthorityError
	if err := dial(lab, "localhost", authority); !errors.As(err, &stranger) {
		t.Errorf("a new connection after the swap: %v", err)
	}
	if _, err := methods.GetServiceContent(context.Background(), client); err == nil {
		t.Error("the idle connection was kept over the swap")
	}
	steer(t, lab, "DELETE", "/v1/tls/swap", nil, nil)
	if err := dial(lab, "localhost", authority); err != nil {
		t.Errorf("a new connection after the swap was undone: %v", err)
	}
}

func TestSwapWhileConnectionIsBusy(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	addRule(t, lab, map[string]any{"method": "CurrentTime", "when": "stall", "delay_ms": 150})
	busy := make(chan error)
	go func() { busy <- currentTime(client) }()
	for lab.rules.list()[0].Hits == 0 {
		time.Sleep(time.Millisecond)
	}
	steer(t, lab, "POST", "/v1/tls/swap", nil, nil)
	if err := <-busy; err != nil {
		t.Errorf("the call that was under way: %v", err)
	}
	if err := currentTime(client); err == nil {
		t.Error("the next call went over the old connection")
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:0", "[::]:0", ":0", "example.com:0", "localhost:0"} {
		if err := checkLoopback(address); err == nil {
			t.Errorf("%s is allowed", address)
		}
	}
	lab := startLab(t)
	for _, listener := range []net.Listener{lab.listener, lab.control} {
		if !listener.Addr().(*net.TCPAddr).IP.IsLoopback() {
			t.Errorf("%s is no loopback address", listener.Addr())
		}
	}
	if _, err := vim25.NewClient(context.Background(), soap.NewClient(lab.URL(), false)); err == nil {
		t.Error("a client without the authority gets through")
	}
}
