package lab_test

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"testing"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"

	"vsphere-lab/internal/labtest"
)

func TestReadyFile(t *testing.T) {
	lab := labtest.Start(t)
	text, err := os.ReadFile(lab.Path("ready.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Username   string
		Datacenter string
		ControlURL string `json:"control_url"`
		LabID      string `json:"lab_id"`
		PID        int
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Username != "administrator@vsphere.local" || got.Datacenter != "lab-dc" || got.ControlURL != lab.ControlURL() || got.LabID != "test" || got.PID != os.Getpid() {
		t.Errorf("ready.json says %+v", got)
	}
	info, _ := os.Stat(lab.Path("ready.json"))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("ready.json has mode %v", info.Mode())
	}
}

func TestLoopbackOnly(t *testing.T) {
	lab := labtest.Start(t)
	steering, err := url.Parse(lab.ControlURL())
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []*url.URL{lab.URL(), steering} {
		if ip := net.ParseIP(endpoint.Hostname()); ip == nil || !ip.IsLoopback() {
			t.Errorf("%s is no loopback address", endpoint.Host)
		}
	}
	if _, err := vim25.NewClient(context.Background(), soap.NewClient(lab.URL(), false)); err == nil {
		t.Error("a client without the authority gets through")
	}
}
