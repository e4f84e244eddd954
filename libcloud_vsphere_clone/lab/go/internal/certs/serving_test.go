package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"vsphere-lab/internal/faults"
	"vsphere-lab/internal/lab"
	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/vim25/methods"
)

func authorityOf(t *testing.T, l *lab.Lab) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(l.Path("ca.pem"))
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
func dial(l *lab.Lab, name string, authority *x509.CertPool) error {
	connection, err := tls.Dial("tcp", l.URL().Host, &tls.Config{ServerName: name, RootCAs: authority})
	if err == nil {
		err = connection.Close()
	}
	return err
}

func TestServerCertificate(t *testing.T) {
	lab := labtest.Start(t)
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
	var untrusted x509.UnknownAuthorityError
	if err := dial(lab, "localhost", nil); !errors.As(err, &untrusted) {
		t.Errorf("with the system's authorities: %v", err)
	}
	other := labtest.Start(t)
	if err := dial(lab, "localhost", authorityOf(t, other)); !errors.As(err, &untrusted) {
		t.Errorf("with another lab's authority: %v", err)
	}
}

func TestSwapCertificate(t *testing.T) {
	lab := labtest.Start(t)
	authority := authorityOf(t, lab)
	client := labtest.Connect(t, lab)
	labtest.Steer(t, lab, "POST", "/v1/tls/swap", nil, nil)
	var untrusted x509.UnknownAuthorityError
	if err := dial(lab, "localhost", authority); !errors.As(err, &untrusted) {
		t.Errorf("a new connection after the swap: %v", err)
	}
	if _, err := methods.GetServiceContent(context.Background(), client); err == nil {
		t.Error("the idle connection was kept over the swap")
	}
	labtest.Steer(t, lab, "DELETE", "/v1/tls/swap", nil, nil)
	if err := dial(lab, "localhost", authority); err != nil {
		t.Errorf("a new connection after the swap was undone: %v", err)
	}
}

func TestSwapWhileConnectionIsBusy(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	labtest.AddRule(t, lab, map[string]any{"method": "CurrentTime", "when": "stall", "delay_ms": 150})
	busy := make(chan error)
	go func() { busy <- labtest.CurrentTime(client) }()
	var list struct{ Faults []faults.Rule }
	for len(list.Faults) == 0 || list.Faults[0].Hits == 0 {
		time.Sleep(time.Millisecond)
		labtest.Steer(t, lab, "GET", "/v1/faults", nil, &list)
	}
	labtest.Steer(t, lab, "POST", "/v1/tls/swap", nil, nil)
	if err := <-busy; err != nil {
		t.Errorf("the call that was under way: %v", err)
	}
	if err := labtest.CurrentTime(client); err == nil {
		t.Error("the next call went over the old connection")
	}
}
