package lab

import (
	"encoding/json"
	"net"
	"os"
	"strconv"
)

// ready is the content of ready.json. It has no secrets.
type ready struct {
	Host       string `json:"host"`
	Port       int    `json:"port"`
	Username   string `json:"username"`
	CACert     string `json:"ca_cert"`
	Datacenter string `json:"datacenter"`
	ControlURL string `json:"control_url"`
	PID        int    `json:"pid"`
	APIVersion string `json:"api_version"`
	ESXi       bool   `json:"esxi"`
	LabID      string `json:"lab_id"`
}

// writeReady announces that the lab answers; the file appears complete or not at all.
func (l *Lab) writeReady() error {
	host, port, err := net.SplitHostPort(l.listener.Addr().String())
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(ready{
		Host: host, Port: number, Username: l.config.Username, CACert: l.Path("ca.pem"),
		Datacenter: l.seedOptions().DatacenterName(), ControlURL: l.ControlURL(), PID: os.Getpid(),
		APIVersion: l.config.APIVersion, ESXi: l.config.ESXi, LabID: l.config.LabID,
	}, "", "  ")
	if err != nil {
		return err
	}
	draft := l.Path(".ready.json")
	if err := os.WriteFile(draft, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, l.Path("ready.json"))
}
