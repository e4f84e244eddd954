package labtest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/guestrpc"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/lab"
	"vsphere-lab/internal/machine/dockercli"
)

// The simulator of a test calls the test's own program, as that of a lab calls the lab's.
func init() {
	if filepath.Base(os.Args[0]) == dockercli.Program {
		os.Exit(dockercli.Run(os.Args[1:], os.Stdout, os.Stderr))
	}
}

// StartWithGuests serves a lab whose guests live in a stand-in for a container
// engine, and returns the folder where that keeps them.
func StartWithGuests(t *testing.T) (*lab.Lab, string) {
	t.Helper()
	engine, err := filepath.Abs("../labtest/testdata/docker") // from the folder of any package beside this one
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	t.Setenv("FAKE_DOCKER", folder)
	return Start(t, func(c *lab.Config) { c.Guests, c.Engine = true, engine }), folder
}

// EngineCalls are the command lines that begin with a word.
func EngineCalls(t *testing.T, folder, command string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, command+" ") {
			calls = append(calls, strings.TrimSpace(line))
		}
	}
	return calls
}

// GuestSpec is for a clone that is powered on, with that cloud-init metadata.
func GuestSpec(metadata string) types.VirtualMachineCloneSpec {
	return types.VirtualMachineCloneSpec{PowerOn: true, Config: &types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{
		Option("guestinfo.metadata", base64.StdEncoding.EncodeToString([]byte(metadata))),
		Option("guestinfo.metadata.encoding", "base64"),
	}}}
}

// Option is one extraConfig key.
func Option(key, value string) types.BaseOptionValue {
	return &types.OptionValue{Key: key, Value: value}
}

// ChannelOf is the folder with a guest's channel, from the engine's command line.
func ChannelOf(t *testing.T, engineCall string) string {
	t.Helper()
	_, rest, _ := strings.Cut(engineCall, " -v ")
	folder, _, found := strings.Cut(rest, ":"+guestrpc.FolderInGuest)
	if !found {
		t.Fatalf("no channel in %q", engineCall)
	}
	return folder
}

// CheckGuest checks the properties of a guest that runs.
func CheckGuest(t *testing.T, row mo.VirtualMachine, address string) {
	t.Helper()
	card := inventory.FirstNIC(&row)
	if len(row.Guest.Net) != 1 || len(row.Guest.Net[0].IpAddress) != 1 {
		t.Fatalf("guest.net is %+v", row.Guest.Net)
	}
	nic := row.Guest.Net[0]
	if nic.MacAddress != card.MacAddress || nic.DeviceConfigId != card.Key || nic.IpAddress[0] != address || !strings.HasPrefix(nic.MacAddress, "00:50:56:") {
		t.Errorf("guest.net is %+v, the NIC has %s and key %d", nic, card.MacAddress, card.Key)
	}
	if row.Guest.IpAddress != address || row.Summary.Guest.IpAddress != address || row.Guest.ToolsRunningStatus != "guestToolsRunning" || row.Runtime.PowerState != "poweredOn" {
		t.Errorf("guest is %+v, power %s", row.Guest, row.Runtime.PowerState)
	}
}
