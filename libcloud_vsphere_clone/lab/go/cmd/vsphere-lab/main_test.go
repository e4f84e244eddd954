package main

import (
	"testing"

	"vsphere-lab/internal/lab"
)

func TestParseConfig(t *testing.T) {
	secrets := map[string]string{lab.PasswordVariable: "p", lab.TokenVariable: "t"}
	getenv := func(name string) string { return secrets[name] }
	config, err := parseConfig([]string{"--vms", "3", "--guests=false", "--lab-id", "one"}, getenv)
	if err != nil || config.VMs != 3 || config.Guests || config.LabID != "one" || config.Username != "administrator@vsphere.local" {
		t.Errorf("got %+v, %v", config, err)
	}
	for _, arguments := range [][]string{
		{"--vms", "-1"}, {"--listen", "0.0.0.0:0"}, {"--lab-id", "a b"}, {"--guest-image", "$(x)"}, {"more"},
	} {
		if _, err := parseConfig(arguments, getenv); err == nil {
			t.Errorf("%q is allowed", arguments)
		}
	}
	for name := range secrets {
		_, err := parseConfig(nil, func(asked string) string {
			if asked == name {
				return ""
			}
			return getenv(asked)
		})
		if err == nil {
			t.Errorf("without %s it starts", name)
		}
	}
}
