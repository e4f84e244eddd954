package control

import (
	"net/http"

	"vsphere-lab/internal/winrm"
)

// serveWinRM adds these to the control endpoint:
//
//	POST   /v1/winrm            starts a WinRM server
//	GET    /v1/winrm/{address}  what arrived there
//	DELETE /v1/winrm/{address}  ends it and all that it runs
func (c *endpoint) serveWinRM(mux *http.ServeMux) {
	mux.Handle("POST /v1/winrm", answer(c.startWinRM))
	mux.Handle("GET /v1/winrm/{address}", answer(c.winrmReport))
	mux.Handle("DELETE /v1/winrm/{address}", answer(c.stopWinRM))
}

// startWinRM takes {"program", "username", "password", "plain", "client_ca", "port"}.
func (c *endpoint) startWinRM(r *http.Request) (any, error) {
	var options winrm.Options
	if err := decode(r, &options); err != nil {
		return nil, err
	}
	server, err := c.WinRM.Start(options, c.Certificates.TLSConfig())
	if err != nil {
		return nil, err
	}
	return map[string]string{"address": server.Address}, nil
}

func (c *endpoint) winrmReport(r *http.Request) (any, error) {
	if server := c.WinRM.Find(r.PathValue("address")); server != nil {
		return server.Report(), nil
	}
	return nil, errNotFound
}

func (c *endpoint) stopWinRM(r *http.Request) (any, error) {
	if !c.WinRM.Stop(r.PathValue("address")) {
		return nil, errNotFound
	}
	return done{true}, nil
}
