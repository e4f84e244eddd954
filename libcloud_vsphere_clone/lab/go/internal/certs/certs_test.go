package certs

import (
	"crypto/x509"
	"testing"
)

func TestAuthoritySignsForLoopbackOnly(t *testing.T) {
	made, err := New()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(made.Authority)
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
