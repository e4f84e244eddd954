package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // REST: tags, content library
)

// Lab is one running simulated vCenter or ESXi host.
type Lab struct {
	config       Config
	model        *simulator.Model
	certificates *certificates
	calls        *callCounters
	rules        *faultRules
	sessions     *sessions
	tasks        *taskBook
	observer     *observer
	shadows      *shadows
	// customizations are those that fail on purpose.
	customizations *customizations
	networks       *addressBook
	names          *pendingNames
	datastores     map[*simulator.Datastore]*datastoreSeed
	channels       *guestChannels
	lending        *lending
	keyboards      *keyboards
	winrm          winrmServers
	transfers      *transfers

	listener   net.Listener
	control    net.Listener
	server     *http.Server
	controlAPI *http.Server
	temporary  string // a state folder of our own making, removed at the end
}

// Start makes the inventory and serves it; ready.json is written last.
func Start(config Config) (*Lab, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	lab := &Lab{
		config:     config,
		calls:      newCallCounters(),
		rules:      new(faultRules),
		networks:   newAddressBook(),
		keyboards:  newKeyboards(),
		names:      &pendingNames{names: map[string]string{}},
		transfers:  newTransfers(),
		datastores: map[*simulator.Datastore]*datastoreSeed{},
	}
	lab.channels = newGuestChannels(lab)
	if err := lab.open(); err != nil {
		_ = lab.Close()
		return nil, err
	}
	return lab, nil
}

// open does what can fail, in order.
func (l *Lab) open() error {
	steps := []func() error{
		l.makeStateDir, l.makeCertificates, l.makeInventory, l.listen, l.serve, l.writeReady,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// makeStateDir also clears away what a lab that was killed left there.
func (l *Lab) makeStateDir() (err error) {
	if l.config.StateDir == "" {
		l.temporary, err = os.MkdirTemp("", "vsphere-lab-")
		l.config.StateDir = l.temporary
		if err != nil {
			return err
		}
	}
	if l.config.StateDir, err = filepath.Abs(l.config.StateDir); err != nil {
		return err
	}
	if err := l.clearStateDir(); err != nil {
		return err
	}
	return os.MkdirAll(l.path("model"), 0o700)
}

// clearStateDir removes what only a running lab needs.
func (l *Lab) clearStateDir() error {
	if l.config.StateDir == "" {
		return nil
	}
	var failures []error
	for _, leftover := range []string{"ready.json", "datastores", "model", "guests"} {
		failures = append(failures, os.RemoveAll(l.path(leftover)))
	}
	return errors.Join(failures...)
}

func (l *Lab) makeCertificates() (err error) {
	if l.certificates, err = newCertificates(); err != nil {
		return err
	}
	return os.WriteFile(l.path("ca.pem"), l.certificates.authority, 0o644)
}

// path is a file's place in the state folder.
func (l *Lab) path(elements ...string) string {
	return filepath.Join(append([]string{l.config.StateDir}, elements...)...)
}

// makeInventory creates the model, then switches on what makes it behave like
// a real vCenter: the inventory itself is made without those rules.
func (l *Lab) makeInventory() error {
	// A delayed task must not keep its object locked, or nobody could read it meanwhile.
	simulator.TaskDelay.MethodDelay = map[string]int{"LockHandoff": 0}
	model, err := l.seed()
	if err != nil {
		return err
	}
	registry := model.Map()
	useCollectors(registry, model.ServiceContent)
	l.sessions = newSessions(registry)
	l.shadows = newShadows(registry)
	l.lending = newLending(registry)
	l.tasks = newTaskBook(registry)
	l.customizations = newCustomizations()
	keepEventTexts(registry)
	l.observer = newObserver(l)
	registry.AddHandler(l.observer)
	registry.Handler = l.extend
	l.equipGuests()
	l.observer.settleFreeSpace(l.internalContext())
	return nil
}

// internalContext is for calls of our own, one each: locks are held by context.
func (l *Lab) internalContext() *simulator.Context {
	ctx := *l.model.Service.Context
	return &ctx
}

// Close stops answering, then removes the containers and the datastores.
func (l *Lab) Close() error {
	var failures []error
	l.winrm.stopAll()
	for _, server := range []*http.Server{l.server, l.controlAPI} {
		if server != nil {
			failures = append(failures, server.Close())
		}
	}
	if l.model != nil {
		l.model.Remove()
		// A task that was under way may have started one meanwhile.
		failures = append(failures, l.removeContainers(context.Background()))
	}
	l.channels.closeAll()
	failures = append(failures, l.clearStateDir(), os.RemoveAll(l.temporary)) // of "", it removes nothing
	return errors.Join(failures...)
}
