package main

import "net/http"

// serveWinRM adds these to the control endpoint:
//
//	POST   /v1/winrm            starts a WinRM server
//	GET    /v1/winrm/{address}  what arrived there
//	DELETE /v1/winrm/{address}  ends it and all that it runs
func (c *control) serveWinRM(mux *http.ServeMux) {
	mux.Handle("POST /v1/winrm", answer(c.startWinRM))
	mux.Handle("GET /v1/winrm/{address}", answer(c.winrmReport))
	mux.Handle("DELETE /v1/winrm/{address}", answer(c.stopWinRM))
}

// startWinRM takes {"program", "username", "password", "plain", "client_ca", "port"}.
func (c *control) startWinRM(r *http.Request) (any, error) {
	var request winrmRequest
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	server, err := c.lab.winrm.start(request, c.lab.certificates)
	if err != nil {
		return nil, err
	}
	return map[string]string{"address": server.address}, nil
}

func (c *control) winrmReport(r *http.Request) (any, error) {
	if server := c.lab.winrm.find(r.PathValue("address")); server != nil {
		return server.report(), nil
	}
	return nil, errNotFound
}

func (c *control) stopWinRM(r *http.Request) (any, error) {
	if !c.lab.winrm.stop(r.PathValue("address")) {
		return nil, errNotFound
	}
	return done{true}, nil
}
