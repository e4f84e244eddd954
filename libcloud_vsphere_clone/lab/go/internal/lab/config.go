package lab

import (
	"errors"
	"fmt"
	"net"

	"vsphere-lab/internal/machine/container"
)

// The environment variables with the secrets.
const (
	PasswordVariable = "LAB_PASSWORD"
	TokenVariable    = "LAB_CONTROL_TOKEN"
)

// Config is what one lab is made from.
type Config struct {
	Listen       string
	StateDir     string
	Username     string
	Password     string
	ControlToken string
	APIVersion   string
	VMs          int
	ESXi         bool
	Guests       bool
	GuestImage   string
	StaticImage  string
	Engine       string // the command of the container engine
	Podman       bool   // whether that is podman's
	LabID        string
}

// DefaultConfig has everything but the secrets, which the caller makes.
func DefaultConfig() Config {
	return Config{
		Listen:      "127.0.0.1:0",
		Username:    "administrator@vsphere.local",
		APIVersion:  "8.0.3.0",
		Guests:      true,
		GuestImage:  "localhost/vsphere-lab/debian-12",
		StaticImage: "localhost/vsphere-lab/debian-12-static",
		Engine:      "docker",
	}
}

// Check refuses what would be unsafe or could never work.
func (c Config) Check() error {
	if c.Password == "" {
		return errors.New(PasswordVariable + " is not set")
	}
	if c.ControlToken == "" {
		return errors.New(TokenVariable + " is not set")
	}
	if c.VMs < 0 {
		return fmt.Errorf("--vms %d: must not be negative", c.VMs)
	}
	for flag, word := range map[string]string{
		"guest-image": c.GuestImage, "static-image": c.StaticImage, "lab-id": c.LabID,
	} {
		if word != "" && !container.IsPlainWord(word) {
			return fmt.Errorf("--%s %q: only letters, digits and ._/:@- are allowed", flag, word)
		}
	}
	return checkLoopback(c.Listen)
}

// checkLoopback refuses an address that other machines could reach: the lab
// knows no privileges, and runs what any client asks for.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("--listen %q: %w", address, err)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("--listen %q: the lab listens on a loopback address only, such as 127.0.0.1:0", address)
}
