// Command vsphere-lab serves a small simulated vCenter: govmomi's simulator
// with the inventory, the manners and the faults that a driver's tests need.
//
// It listens on loopback only, verifies logins, serves TLS with a certificate
// authority of its own, and is steered by an HTTP endpoint (see package control).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"vsphere-lab/internal/lab"
	"vsphere-lab/internal/machine/dockercli"
)

// parseConfig reads the command line; secrets come from the environment, where
// other users of the machine cannot list them.
func parseConfig(args []string, getenv func(string) string) (lab.Config, error) {
	config := lab.DefaultConfig()
	flags := flag.NewFlagSet("vsphere-lab", flag.ContinueOnError)
	flags.StringVar(&config.Listen, "listen", config.Listen, "loopback address of the vSphere endpoint")
	flags.StringVar(&config.StateDir, "state-dir", "", "folder for ca.pem, ready.json and the datastores")
	flags.StringVar(&config.APIVersion, "api-version", config.APIVersion, "vSphere API version to report")
	flags.IntVar(&config.VMs, "vms", 0, "plain simulated VMs to add, as inventory load")
	flags.BoolVar(&config.ESXi, "esxi", false, "serve a bare ESXi host instead of a vCenter")
	flags.BoolVar(&config.Guests, "guests", true, "run a container behind each powered-on clone of a template")
	flags.StringVar(&config.GuestImage, "guest-image", config.GuestImage, "container image with cloud-init")
	flags.StringVar(&config.StaticImage, "static-image", config.StaticImage, "container image without cloud-init")
	flags.StringVar(&config.Engine, "engine", config.Engine, "command of the container engine that runs the guests")
	flags.BoolVar(&config.Podman, "podman", false, "say that the engine is podman")
	flags.StringVar(&config.LabID, "lab-id", "", "marks everything this lab starts")
	if err := flags.Parse(args); err != nil {
		return config, err
	}
	if flags.NArg() != 0 {
		return config, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if name := getenv("LAB_USERNAME"); name != "" {
		config.Username = name
	}
	config.Password = getenv(lab.PasswordVariable)
	config.ControlToken = getenv(lab.TokenVariable)
	return config, config.Check()
}

// run serves until a signal asks it to stop.
func run(config lab.Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	running, err := lab.Start(config)
	if err != nil {
		return err
	}
	log.Printf("vSphere endpoint %s, control endpoint %s", running.URL(), running.ControlURL())
	<-ctx.Done()
	stop() // a second signal ends the program at once
	return running.Close()
}

func main() {
	if filepath.Base(os.Args[0]) == dockercli.Program {
		os.Exit(dockercli.Run(os.Args[1:], os.Stdout, os.Stderr)) // the simulator calls
	}
	config, err := parseConfig(os.Args[1:], os.Getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "vsphere-lab:", err)
		os.Exit(2)
	}
	for _, secret := range []string{lab.PasswordVariable, lab.TokenVariable} {
		_ = os.Unsetenv(secret) // the container engine need not know it
	}
	if err := run(config); err != nil {
		fmt.Fprintln(os.Stderr, "vsphere-lab:", err)
		os.Exit(1)
	}
}
