// The guest's tools are a stand-in here: the real ones run in the tests of the Python package.

package guestops_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vsphere-lab/internal/guestrpc"
	"vsphere-lab/internal/lab"
	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// guestLab is a lab with one guest, and the managers of guest operations.
type guestLab struct {
	*lab.Lab
	inventory labtest.Inventory
	vm        *object.VirtualMachine
	managers  mo.GuestOperationsManager
	channel   string // the folder that its guest sees
	received  chan string
}

func startOneGuest(t *testing.T) *guestLab {
	t.Helper()
	started, engine := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, started).Client)
	guest := &guestLab{Lab: started, inventory: inventory, received: make(chan string, 10)}
	guest.vm = inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	guest.channel = labtest.ChannelOf(t, labtest.EngineCalls(t, engine, "create")[0])
	manager := object.NewCommon(inventory.Client, *inventory.Client.ServiceContent.GuestOperationsManager)
	if err := manager.Properties(context.Background(), manager.Reference(), nil, &guest.managers); err != nil {
		t.Fatal(err)
	}
	return guest
}

// runTools answers as the guest's tools would, from now on.
func (g *guestLab) runTools(t *testing.T) {
	t.Helper()
	t.Chdir(g.channel) // a socket's path may not be long
	listener, err := net.Listen("unix", guestrpc.ToolsSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			received, _ := io.ReadAll(connection)
			_, _ = io.WriteString(connection, toolsAnswer(string(received)))
			_ = connection.Close()
			g.received <- string(received)
		}
	}()
}

// toolsAnswer is what the tools say to a request.
func toolsAnswer(received string) string {
	fields := strings.FieldsFunc(received, func(r rune) bool { return r == '\n' || '0' <= r && r <= '9' })
	if fields[1] == "wrong" {
		return "InvalidGuestLogin 0\n"
	}
	answers := map[string]string{
		"start":     "4711",
		"list":      "sh\x004711\x00ann\x00/bin/sh -c true\x001700000000\x001700000001\x003",
		"mktemp":    "/tmp/x1",
		"files":     "/x\x00file\x005\x00384\x000\x000\x001700000000\x001700000000",
		"check-get": "5\x00384\x000\x000\x001700000000\x001700000000",
		"get":       "hello",
	}
	switch answer := answers[fields[2]]; fields[2] {
	case "terminate":
		return "GuestProcessNotFound 4\n4711"
	case "rm":
		return "FileNotFound 2\n/x"
	default:
		return fmt.Sprintf("ok %d\n%s", len(answer), answer)
	}
}

func credentials(password string) *types.NamePasswordAuthentication {
	return &types.NamePasswordAuthentication{Username: "ann", Password: password}
}

func (g *guestLab) validate(vm types.ManagedObjectReference, auth types.BaseGuestAuthentication) error {
	request := types.ValidateCredentialsInGuest{This: *g.managers.AuthManager, Vm: vm, Auth: auth}
	_, err := methods.ValidateCredentialsInGuest(context.Background(), g.inventory.Client, &request)
	return err
}

func TestGuestCredentials(t *testing.T) {
	guest := startOneGuest(t)
	guest.runTools(t)
	if err := guest.validate(guest.vm.Reference(), credentials("right")); err != nil {
		t.Error(err)
	}
	if err := guest.validate(guest.vm.Reference(), credentials("wrong")); !fault.Is(err, &types.InvalidGuestLogin{}) {
		t.Errorf("a wrong password: %v", err)
	}
	if err := guest.validate(guest.vm.Reference(), new(types.SSPIAuthentication)); !fault.Is(err, &types.OperationNotSupportedByGuest{}) {
		t.Errorf("SSPI: %v", err)
	}
	if received := <-guest.received + <-guest.received; received != "3\nann5\nright8\nvalidate1\n03\nann5\nwrong8\nvalidate1\n0" {
		t.Errorf("the tools received %q", received)
	}
}

func TestGuestWhoseToolsAreLate(t *testing.T) {
	guest := startOneGuest(t)
	validated := make(chan error)
	go func() { validated <- guest.validate(guest.vm.Reference(), credentials("right")) }()
	time.Sleep(100 * time.Millisecond)
	guest.runTools(t)
	if err := <-validated; err != nil {
		t.Error(err)
	}
}

func TestGuestWhoseToolsAreElsewhere(t *testing.T) {
	guest := startOneGuest(t)
	t.Chdir(t.TempDir())
	listener, err := net.Listen("unix", "other")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	other, _ := filepath.Abs("other")
	if err := os.Symlink(other, filepath.Join(guest.channel, guestrpc.ToolsSocket)); err != nil {
		t.Fatal(err)
	}
	if err := guest.validate(guest.vm.Reference(), credentials("right")); !fault.Is(err, &types.GuestOperationsUnavailable{}) {
		t.Errorf("by a link: %v", err)
	}
}

func TestGuestOperationsDoNotWaitForEachOther(t *testing.T) {
	guest := startOneGuest(t)
	t.Chdir(guest.channel)
	listener, err := net.Listen("unix", guestrpc.ToolsSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const count = 3
	validated := make(chan error, count)
	var asked []net.Conn
	for range count {
		go func() { validated <- guest.validate(guest.vm.Reference(), credentials("right")) }()
	}
	labtest.Within(t, 5*time.Second, func() {
		for range count { // all have arrived before the first is answered
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			asked = append(asked, connection)
		}
	})
	for _, connection := range asked {
		_, _ = io.WriteString(connection, "ok 0\n")
		_ = connection.Close()
		if err := <-validated; err != nil {
			t.Error(err)
		}
	}
}

func TestGuestThatCannotBeAsked(t *testing.T) {
	guest := startOneGuest(t)
	labtest.MustFinish(t)(guest.vm.PowerOff(context.Background()))
	if err := guest.validate(guest.vm.Reference(), credentials("right")); !fault.Is(err, &types.InvalidPowerState{}) {
		t.Errorf("off: %v", err)
	}
	bare := labtest.Start(t, func(c *lab.Config) { c.VMs = 1 })
	inventory := labtest.InventoryOf(t, labtest.Login(t, bare).Client)
	vm := inventory.MustClone(inventory.VM("debian-12"), "bare", types.VirtualMachineCloneSpec{PowerOn: true})
	guest.inventory = inventory
	if err := guest.validate(vm.Reference(), credentials("right")); !fault.Is(err, &types.GuestOperationsUnavailable{}) {
		t.Errorf("without a container: %v", err)
	}
}

func TestGuestOperationsReady(t *testing.T) {
	guest := startOneGuest(t)
	if ready := guest.inventory.Properties(guest.vm).Guest.GuestOperationsReady; ready == nil || !*ready {
		t.Errorf("on, it is %v", ready)
	}
	labtest.MustFinish(t)(guest.vm.PowerOff(context.Background()))
	if ready := guest.inventory.Properties(guest.vm).Guest.GuestOperationsReady; ready == nil || *ready {
		t.Errorf("off, it is %v", ready)
	}
}

func TestGuestProcesses(t *testing.T) {
	guest := startOneGuest(t)
	guest.runTools(t)
	ctx, manager := context.Background(), *guest.managers.ProcessManager
	spec := &types.GuestProgramSpec{ProgramPath: "/bin/sh", Arguments: "-c true", EnvVariables: []string{"A=1"}}
	started, err := methods.StartProgramInGuest(ctx, guest.inventory.Client, &types.StartProgramInGuest{
		This: manager, Vm: guest.vm.Reference(), Auth: credentials("right"), Spec: spec,
	})
	if err != nil || started.Returnval != 4711 {
		t.Fatalf("got %v, %v", started, err)
	}
	listed, err := methods.ListProcessesInGuest(ctx, guest.inventory.Client, &types.ListProcessesInGuest{
		This: manager, Vm: guest.vm.Reference(), Auth: credentials("right"), Pids: []int64{4711},
	})
	if err != nil || len(listed.Returnval) != 1 {
		t.Fatalf("got %v, %v", listed, err)
	}
	if info := listed.Returnval[0]; info.Pid != 4711 || info.ExitCode != 3 || info.EndTime == nil || info.CmdLine != "/bin/sh -c true" {
		t.Errorf("the process is %+v", info)
	}
	_, err = methods.TerminateProcessInGuest(ctx, guest.inventory.Client, &types.TerminateProcessInGuest{
		This: manager, Vm: guest.vm.Reference(), Auth: credentials("right"), Pid: 4711,
	})
	if !fault.Is(err, &types.GuestProcessNotFound{}) {
		t.Errorf("got %v", err)
	}
}

func TestGuestFiles(t *testing.T) {
	guest := startOneGuest(t)
	guest.runTools(t)
	ctx, manager, vm := context.Background(), *guest.managers.FileManager, guest.vm.Reference()
	temporary, err := methods.CreateTemporaryDirectoryInGuest(ctx, guest.inventory.Client, &types.CreateTemporaryDirectoryInGuest{
		This: manager, Vm: vm, Auth: credentials("right"),
	})
	if err != nil || temporary.Returnval != "/tmp/x1" {
		t.Errorf("got %v, %v", temporary, err)
	}
	_, err = methods.DeleteFileInGuest(ctx, guest.inventory.Client, &types.DeleteFileInGuest{
		This: manager, Vm: vm, Auth: credentials("right"), FilePath: "/x",
	})
	if !fault.Is(err, &types.FileNotFound{}) {
		t.Errorf("got %v", err)
	}
	files, err := methods.ListFilesInGuest(ctx, guest.inventory.Client, &types.ListFilesInGuest{
		This: manager, Vm: vm, Auth: credentials("right"), FilePath: "/x",
	})
	if err != nil || len(files.Returnval.Files) != 1 || files.Returnval.Files[0].Size != 5 {
		t.Errorf("got %+v, %v", files, err)
	}
}

func TestGuestTransfer(t *testing.T) {
	guest := startOneGuest(t)
	guest.runTools(t)
	ctx, manager, vm := context.Background(), *guest.managers.FileManager, guest.vm.Reference()
	to, err := methods.InitiateFileTransferToGuest(ctx, guest.inventory.Client, &types.InitiateFileTransferToGuest{
		This: manager, Vm: vm, Auth: credentials("right"), GuestFilePath: "/tmp/file", FileSize: 5,
		FileAttributes: &types.GuestPosixFileAttributes{Permissions: 0o600}, Overwrite: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(to.Returnval, "*", guest.URL().Host, 1)
	if status, _ := guest.send(t, http.MethodPut, url, "hello"); status != http.StatusOK {
		t.Errorf("the upload's status is %d", status)
	}
	<-guest.received
	if received := <-guest.received; !strings.HasSuffix(received, "3\nput1\n39\n/tmp/file3\n3841\n5hello") {
		t.Errorf("the tools received %q", received)
	}
	if status, _ := guest.send(t, http.MethodPut, url, "hello"); status != http.StatusNotFound {
		t.Errorf("the same ticket again: %d", status)
	}
	from, err := methods.InitiateFileTransferFromGuest(ctx, guest.inventory.Client, &types.InitiateFileTransferFromGuest{
		This: manager, Vm: vm, Auth: credentials("right"), GuestFilePath: "/tmp/file",
	})
	if err != nil || from.Returnval.Size != 5 {
		t.Fatalf("got %v, %v", from, err)
	}
	url = strings.Replace(from.Returnval.Url, "*", guest.URL().Host, 1)
	if status, body := guest.send(t, http.MethodGet, url, ""); status != http.StatusOK || body != "hello" {
		t.Errorf("the download is %q, status %d", body, status)
	}
}

// send makes one request at a transfer's URL.
func (g *guestLab) send(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	reply, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}
