package lab

import (
	"context"
	"crypto/subtle"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/control"
)

// listen opens both endpoints; they answer when they are served.
func (l *Lab) listen() (err error) {
	if l.listener, err = net.Listen("tcp", l.config.Listen); err != nil {
		return err
	}
	l.controlListener, err = net.Listen("tcp", "127.0.0.1:0")
	return err
}

// serve starts both endpoints. The simulator's own server is started only to
// have its handlers registered: ours counts calls and can break connections.
func (l *Lab) serve() error {
	service := l.model.Service
	service.RegisterEndpoints = true
	service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(l.config.Username, l.config.Password)}
	manager := l.model.Map().SessionManager()
	manager.ValidLogin = l.validLogin
	service.NewServer().Close()

	address := l.URL()
	address.User = service.Listen.User
	service.Listen = address
	manager.ServiceHostName = address.Host
	l.announce(address)

	l.server = &http.Server{
		Handler:           &middleware{lab: l, next: service.ServeMux},
		TLSConfig:         l.certificates.TLSConfig(),
		ConnContext:       l.stampConnection,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // a client that refuses the certificate is nothing to log
	}
	l.controlServer = &http.Server{Handler: l.newControl(), ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = l.server.ServeTLS(l.listener, "", "") }()
	go func() { _ = l.controlServer.Serve(l.controlListener) }()
	return nil
}

// announce puts the endpoint's address where the simulator keeps its own.
func (l *Lab) announce(address *url.URL) {
	options := l.model.Map().OptionManager()
	for _, option := range options.Setting {
		value := option.GetOptionValue()
		text, ok := value.Value.(string)
		if !ok || !(strings.HasSuffix(value.Key, ".uri") || value.Key == "vcsim.server.url") {
			continue
		}
		if endpoint, err := url.Parse(text); err == nil {
			endpoint.Scheme, endpoint.Host, endpoint.User = address.Scheme, address.Host, nil
			value.Value = endpoint.String()
		}
	}
}

// connectionAge is the key under which a connection has the number of
// certificate changes before it.
type connectionAge struct{}

func (l *Lab) stampConnection(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionAge{}, l.certificates.Changes())
}

// isOutdated reports whether the certificate changed after the request's
// connection was made.
func (l *Lab) isOutdated(r *http.Request) bool {
	return r.Context().Value(connectionAge{}) != l.certificates.Changes()
}

// dropConnections makes clients dial again: idle connections end now, a busy one
// with its next request.
func (l *Lab) dropConnections() {
	l.server.SetKeepAlivesEnabled(false)
	l.server.SetKeepAlivesEnabled(true)
}

// validLogin compares the whole user name: as a real one, it contains an "@".
func (l *Lab) validLogin(login *types.Login) bool {
	name := subtle.ConstantTimeCompare([]byte(login.UserName), []byte(l.config.Username))
	password := subtle.ConstantTimeCompare([]byte(login.Password), []byte(l.config.Password))
	return name&password == 1
}

// newControl is the control endpoint, over the parts of the lab that it steers.
func (l *Lab) newControl() http.Handler {
	return control.New(l.config.ControlToken, &control.Parts{
		NewContext: l.newContext, Calls: l.calls, Rules: l.rules, Sessions: l.sessions,
		Certificates: l.certificates, DropConnections: l.dropConnections, FreeSpace: l.freeSpace,
		Customizations: l.customizations, Keyboards: l.keyboards, WinRM: &l.winrm,
	})
}

// URL is the vSphere endpoint, without credentials.
func (l *Lab) URL() *url.URL {
	return &url.URL{Scheme: "https", Host: l.listener.Addr().String(), Path: "/sdk"}
}

// ControlURL is where the control endpoint is.
func (l *Lab) ControlURL() string {
	return "http://" + l.controlListener.Addr().String()
}
