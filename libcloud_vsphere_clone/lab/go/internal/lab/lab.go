// Package lab serves a simulated vCenter: govmomi's simulator, completed where a driver's
// tests need more of vCenter than it has.
package lab

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // REST: tags, content library

	"vsphere-lab/internal/certs"
	"vsphere-lab/internal/clones"
	"vsphere-lab/internal/collector"
	"vsphere-lab/internal/customization"
	"vsphere-lab/internal/faults"
	"vsphere-lab/internal/guest"
	"vsphere-lab/internal/guestops"
	"vsphere-lab/internal/guestrpc"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/keyboard"
	"vsphere-lab/internal/machine/container"
	"vsphere-lab/internal/machine/dockercli"
	"vsphere-lab/internal/seed"
	"vsphere-lab/internal/sessions"
	"vsphere-lab/internal/soap"
	"vsphere-lab/internal/tasks"
	"vsphere-lab/internal/winrm"
)

// Lab is one running simulated vCenter or ESXi host.
type Lab struct {
	config         Config
	model          *simulator.Model
	certificates   *certs.Certificates
	calls          *soap.Counters
	rules          *faults.Rules
	sessions       *sessions.Sessions
	tasks          *tasks.Tracker
	observer       *observer
	cloner         *clones.Cloner
	customizations *customization.Customizations
	addresses      *inventory.MACAddresses
	names          *inventory.PendingNames
	freeSpace      *inventory.FreeSpace
	engine         *container.Engine
	docker         *dockercli.Server // nil where no guests can run
	guests         *guest.Guests
	channels       *guestrpc.Channels
	transfers      *guestops.Transfers
	keyboards      *keyboard.Keyboards
	winrm          winrm.Servers

	listener        net.Listener
	controlListener net.Listener
	server          *http.Server
	controlServer   *http.Server
	temporary       string // a state folder of our own making, removed at the end
}

// Start makes the inventory and serves it; ready.json is written last.
func Start(config Config) (*Lab, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	lab := &Lab{
		config:    config,
		calls:     soap.NewCounters(),
		rules:     new(faults.Rules),
		addresses: inventory.NewMACAddresses(),
		names:     inventory.NewPendingNames(),
		freeSpace: inventory.NewFreeSpace(),
		keyboards: keyboard.New(),
		transfers: guestops.NewTransfers(),
	}
	lab.customizations = customization.New(lab.newContext)
	if err := lab.open(); err != nil {
		_ = lab.Close()
		return nil, err
	}
	return lab, nil
}

// open does what can fail, in order.
func (l *Lab) open() error {
	steps := []func() error{
		l.makeStateDir, l.listen, l.makeCertificates, l.startEngine, l.makeInventory, l.serve, l.writeReady,
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
	return os.MkdirAll(l.config.StateDir, 0o700)
}

// clearStateDir removes what only a running lab needs.
func (l *Lab) clearStateDir() error {
	if l.config.StateDir == "" {
		return nil
	}
	var failures []error
	for _, leftover := range []string{"ready.json", "datastores", "model", "guests", "bin"} {
		failures = append(failures, os.RemoveAll(l.Path(leftover)))
	}
	return errors.Join(failures...)
}

func (l *Lab) makeCertificates() (err error) {
	if l.certificates, err = certs.New(); err != nil {
		return err
	}
	return os.WriteFile(l.Path("ca.pem"), l.certificates.Authority, 0o644)
}

// Path is a file's place in the state folder.
func (l *Lab) Path(elements ...string) string {
	return filepath.Join(append([]string{l.config.StateDir}, elements...)...)
}

// startEngine makes the simulator's containers ones of the configured engine.
func (l *Lab) startEngine() error {
	command, err := exec.LookPath(l.config.Engine)
	l.engine = container.NewEngine(l.id(), command, l.config.Podman)
	if err != nil || !l.config.Guests || l.config.ESXi {
		return nil // without an engine, a guest fails when it is started
	}
	l.docker, err = dockercli.Start(l.Path("bin"), l.engine)
	return err
}

// makeInventory creates the model, then switches on what makes it behave like
// a real vCenter: the inventory itself is made without those rules.
func (l *Lab) makeInventory() error {
	// A delayed task must not keep its object locked, or no call could read it meanwhile.
	simulator.TaskDelay.MethodDelay = map[string]int{"LockHandoff": 0}
	options := l.seedOptions()
	l.model = seed.NewModel(options)
	if err := seed.Fill(l.model, options, l.addresses, l.freeSpace); err != nil {
		return err
	}
	registry := l.model.Map()
	collector.Use(registry, l.model.ServiceContent)
	l.sessions = sessions.New(registry)
	l.tasks = tasks.New(registry)
	l.guests = guest.New(l.engine, l.newContext)
	l.channels = guestrpc.NewChannels(l.Path("guests"), l.newContext)
	l.cloner = &clones.Cloner{
		Tasks: l.tasks, Names: l.names, Addresses: l.addresses, Customizations: l.customizations,
		Channels: l.channels, Engine: l.engine,
	}
	customization.KeepEventTexts(registry)
	l.observer = newObserver(l)
	registry.AddHandler(l.observer)
	registry.Handler = l.extend
	guestops.Register(registry, l.sessions.Content(), l.channels, l.transfers)
	l.freeSpace.Update(l.newContext())
	return nil
}

// seedOptions say what the inventory is to be like.
func (l *Lab) seedOptions() seed.Options {
	return seed.Options{
		APIVersion: l.config.APIVersion, ESXi: l.config.ESXi, VMs: l.config.VMs, Guests: l.config.Guests,
		GuestImage: l.config.GuestImage, StaticImage: l.config.StaticImage, Folder: l.config.StateDir,
	}
}

// id is the lab's id, or one made of its port where it has none.
func (l *Lab) id() string {
	if l.config.LabID != "" {
		return l.config.LabID
	}
	return "port-" + l.URL().Port()
}

// newContext is for calls of the lab's own, one each: locks are held by context.
func (l *Lab) newContext() *simulator.Context {
	ctx := *l.model.Service.Context
	return &ctx
}

// Close stops answering, then removes the containers and the datastores.
func (l *Lab) Close() error {
	var failures []error
	l.winrm.StopAll()
	for _, server := range []*http.Server{l.server, l.controlServer} {
		if server != nil {
			failures = append(failures, server.Close())
		}
	}
	if l.model != nil {
		l.model.Remove()
	}
	if l.docker != nil {
		// A task that was under way may have started one meanwhile.
		failures = append(failures, l.engine.RemoveAll(context.Background()), l.docker.Close())
		l.docker = nil // a lab may be closed twice
	}
	if l.channels != nil {
		l.channels.CloseAll()
	}
	failures = append(failures, l.clearStateDir(), os.RemoveAll(l.temporary)) // of "", it removes nothing
	return errors.Join(failures...)
}
