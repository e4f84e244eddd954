package lab

import "testing"

func TestAddressesThatAreNotLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:0", "[::]:0", ":0", "example.com:0", "localhost:0"} {
		if err := checkLoopback(address); err == nil {
			t.Errorf("%s is allowed", address)
		}
	}
}
