package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	testPassword = "correct horse"
	testToken    = "battery staple"
)

// startLab serves a lab without guests for one test.
func startLab(t *testing.T, change ...func(*Config)) *Lab {
	t.Helper()
	config := DefaultConfig()
	config.StateDir = t.TempDir()
	config.Password = testPassword
	config.ControlToken = testToken
	config.LabID = "test"
	config.Guests = false
	for _, f := range change {
		f(&config)
	}
	lab, err := Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// connect is a client without a session that trusts the lab's authority only.
func connect(t *testing.T, lab *Lab) *vim25.Client {
	t.Helper()
	transport := soap.NewClient(lab.URL(), false)
	if err := transport.SetRootCAs(lab.path("ca.pem")); err != nil {
		t.Fatal(err)
	}
	client, err := vim25.NewClient(context.Background(), transport)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// login is a client that has logged in.
func login(t *testing.T, lab *Lab) *govmomi.Client {
	t.Helper()
	client := connect(t, lab)
	manager := session.NewManager(client)
	user := url.UserPassword(lab.config.Username, testPassword)
	if err := manager.Login(context.Background(), user); err != nil {
		t.Fatal(err)
	}
	return &govmomi.Client{Client: client, SessionManager: manager}
}

// steer calls the control endpoint and decodes what it says.
func steer(t *testing.T, lab *Lab, method, path string, request, response any) int {
	t.Helper()
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, lab.ControlURL()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if response != nil {
		if err := json.NewDecoder(reply.Body).Decode(response); err != nil {
			t.Fatal(err)
		}
	}
	return reply.StatusCode
}

// addRule adds a fault rule, which must be accepted.
func addRule(t *testing.T, lab *Lab, rule map[string]any) {
	t.Helper()
	var reply map[string]any
	if status := steer(t, lab, "POST", "/v1/faults", rule, &reply); status != http.StatusOK {
		t.Fatalf("rule %v refused: %v", rule, reply)
	}
}

type inventory struct {
	*find.Finder
	client *vim25.Client
	t      *testing.T
}

func inventoryOf(t *testing.T, client *vim25.Client) inventory {
	t.Helper()
	finder := find.NewFinder(client)
	datacenter, err := finder.DefaultDatacenter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return inventory{finder.SetDatacenter(datacenter), client, t}
}

func (i inventory) vm(path string) *object.VirtualMachine {
	i.t.Helper()
	vm, err := i.VirtualMachine(context.Background(), path)
	if err != nil {
		i.t.Fatal(err)
	}
	return vm
}

func (i inventory) pool(path string) *types.ManagedObjectReference {
	i.t.Helper()
	pool, err := i.ResourcePool(context.Background(), path)
	if err != nil {
		i.t.Fatal(err)
	}
	ref := pool.Reference()
	return &ref
}

func (i inventory) datastore(name string) *types.ManagedObjectReference {
	i.t.Helper()
	datastore, err := i.Datastore(context.Background(), name)
	if err != nil {
		i.t.Fatal(err)
	}
	ref := datastore.Reference()
	return &ref
}

func (i inventory) root() *object.Folder {
	i.t.Helper()
	folder, err := i.Folder(context.Background(), "vm")
	if err != nil {
		i.t.Fatal(err)
	}
	return folder
}

// clone makes a clone of a VM into the datacenter's VM folder, and waits.
func (i inventory) clone(source *object.VirtualMachine, name string, spec types.VirtualMachineCloneSpec) (*object.VirtualMachine, error) {
	i.t.Helper()
	if spec.Location.Pool == nil {
		spec.Location.Pool = i.pool("cluster-drs/Resources")
	}
	task, err := source.Clone(context.Background(), i.root(), name, spec)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(context.Background())
	if err != nil {
		return nil, err
	}
	return object.NewVirtualMachine(i.client, info.Result.(types.ManagedObjectReference)), nil
}

// mustClone is clone for what has to succeed.
func (i inventory) mustClone(source *object.VirtualMachine, name string, spec types.VirtualMachineCloneSpec) *object.VirtualMachine {
	i.t.Helper()
	vm, err := i.clone(source, name, spec)
	if err != nil {
		i.t.Fatal(err)
	}
	return vm
}

func (i inventory) properties(vm *object.VirtualMachine) mo.VirtualMachine {
	i.t.Helper()
	var properties mo.VirtualMachine
	if err := vm.Properties(context.Background(), vm.Reference(), nil, &properties); err != nil {
		i.t.Fatal(err)
	}
	return properties
}

// within fails the test when f takes longer.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("not done within %s", limit)
	}
}
