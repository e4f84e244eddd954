// Package labtest has what the tests of several packages need to start a lab and to be its
// client. It is for tests only.
package labtest

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
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"

	"vsphere-lab/internal/lab"
)

// The secrets of labs for tests, and their user.
const (
	Username = "administrator@vsphere.local"
	Password = "correct horse"
	Token    = "battery staple"
)

// Start serves a lab without guests for one test.
func Start(t *testing.T, change ...func(*lab.Config)) *lab.Lab {
	t.Helper()
	config := lab.DefaultConfig()
	config.StateDir = t.TempDir()
	config.Password = Password
	config.ControlToken = Token
	config.LabID = "test"
	config.Guests = false
	for _, f := range change {
		f(&config)
	}
	started, err := lab.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := started.Close(); err != nil {
			t.Error(err)
		}
	})
	return started
}

// Connect is a client without a session that trusts the lab's authority only.
func Connect(t *testing.T, l *lab.Lab) *vim25.Client {
	t.Helper()
	transport := soap.NewClient(l.URL(), false)
	if err := transport.SetRootCAs(l.Path("ca.pem")); err != nil {
		t.Fatal(err)
	}
	client, err := vim25.NewClient(context.Background(), transport)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Login is a client that has logged in.
func Login(t *testing.T, l *lab.Lab) *govmomi.Client {
	t.Helper()
	client := Connect(t, l)
	manager := session.NewManager(client)
	user := url.UserPassword(Username, Password)
	if err := manager.Login(context.Background(), user); err != nil {
		t.Fatal(err)
	}
	return &govmomi.Client{Client: client, SessionManager: manager}
}

// Steer calls the control endpoint and decodes what it says.
func Steer(t *testing.T, l *lab.Lab, method, path string, request, response any) int {
	t.Helper()
	var body io.Reader
	if request != nil {
		text, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, l.ControlURL()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+Token)
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

// AddRule adds a fault rule, which must be accepted.
func AddRule(t *testing.T, l *lab.Lab, rule map[string]any) {
	t.Helper()
	var reply map[string]any
	if status := Steer(t, l, "POST", "/v1/faults", rule, &reply); status != http.StatusOK {
		t.Fatalf("rule %v refused: %v", rule, reply)
	}
}

// Within fails the test when f takes longer.
func Within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("not done within %s", limit)
	}
}

// MustFinish waits for a task that has to succeed.
func MustFinish(t *testing.T) func(*object.Task, error) {
	return func(task *object.Task, err error) {
		t.Helper()
		if err == nil {
			err = task.Wait(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// PowerOn starts a VM.
func PowerOn(t *testing.T, vm *object.VirtualMachine) {
	t.Helper()
	task, err := vm.PowerOn(context.Background())
	if err == nil {
		err = task.Wait(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// CurrentTime is the cheapest call there is.
func CurrentTime(client *govmomi.Client) error {
	_, err := methods.GetCurrentTime(context.Background(), client)
	return err
}
