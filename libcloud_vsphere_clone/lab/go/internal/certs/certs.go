// Package certs makes the lab's certificate authority and server certificate.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync/atomic"
	"time"
)

const certificateLifetime = 10 * 365 * 24 * time.Hour

// Certificates are the lab's own authority and what its server shows. The
// authority's key is thrown away once the server's certificate is signed.
type Certificates struct {
	Authority []byte // PEM
	genuine   *tls.Certificate
	shown     atomic.Pointer[tls.Certificate]
	changes   atomic.Int64
}

// New makes an authority and a server certificate signed by it.
func New() (*Certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := authorityTemplate()
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	// Parsed, it has the key identifier that strict verifiers look for in what it signs.
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	server, err := newServerCertificate(authority, key)
	if err != nil {
		return nil, err
	}
	c := &Certificates{
		Authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		genuine:   server,
	}
	c.show(server)
	return c, nil
}

// authorityTemplate is for an authority that may sign for loopback names only:
// a client that trusts it by accident trusts it for nothing else.
func authorityTemplate() *x509.Certificate {
	template := certificateTemplate("vSphere lab CA")
	template.IsCA = true
	template.MaxPathLenZero = true
	template.KeyUsage = x509.KeyUsageCertSign
	template.PermittedDNSDomainsCritical = true
	template.PermittedDNSDomains = []string{"localhost"}
	template.PermittedIPRanges = []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
	return template
}

// TLSConfig is for a server that may change its certificate while it runs.
// HTTP/2 is off: a connection under it cannot be reset call by call.
func (c *Certificates) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.shown.Load(), nil
		},
	}
}

// Swap shows a self-signed certificate for the same names from now on.
func (c *Certificates) Swap() error {
	untrusted, err := newServerCertificate(nil, nil)
	if err == nil {
		c.show(untrusted)
	}
	return err
}

// Restore shows the genuine certificate again.
func (c *Certificates) Restore() {
	c.show(c.genuine)
}

// Changes is how often another certificate was shown.
func (c *Certificates) Changes() int64 {
	return c.changes.Load()
}

func (c *Certificates) show(certificate *tls.Certificate) {
	c.shown.Store(certificate)
	c.changes.Add(1)
}

// newServerCertificate is for the loopback names, signed by the given
// authority, or by itself when there is none.
func newServerCertificate(authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificateTemplate("vSphere lab")
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if authority == nil {
		authority, authorityKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), authorityKey)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// certificateTemplate has what every certificate of the lab has.
func certificateTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails since Go 1.24
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(certificateLifetime),
		BasicConstraintsValid: true,
	}
}
