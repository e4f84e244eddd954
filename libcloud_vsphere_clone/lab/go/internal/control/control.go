// Package control is the endpoint that tests steer the lab with.
package control

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/vmware/govmomi/simulator"

	"vsphere-lab/internal/certs"
	"vsphere-lab/internal/customization"
	"vsphere-lab/internal/faults"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/keyboard"
	"vsphere-lab/internal/sessions"
	"vsphere-lab/internal/soap"
	"vsphere-lab/internal/winrm"
)

const maxControlBytes = 1 << 20

// Parts are what the endpoint reads and changes.
type Parts struct {
	NewContext      inventory.NewContext
	Calls           *soap.Counters
	Rules           *faults.Rules
	Sessions        *sessions.Sessions
	Certificates    *certs.Certificates
	DropConnections func() // makes clients dial again
	FreeSpace       *inventory.FreeSpace
	Customizations  *customization.Customizations
	Keyboards       *keyboard.Keyboards
	WinRM           *winrm.Servers
}

// endpoint is plain HTTP on loopback, JSON, and a token that is never logged.
type endpoint struct {
	token string
	*Parts
}

// New is the endpoint's handler:
//
//	GET    /v1/health          that it is there
//	GET    /v1/calls           SOAP calls that arrived    DELETE resets them
//	GET    /v1/faults          the fault rules            POST adds one, DELETE drops all
//	DELETE /v1/faults/{id}     drops one rule
//	POST   /v1/tasks/delay     milliseconds by task name; {} for none
//	GET    /v1/sessions        live logins
//	POST   /v1/sessions/expire ends all of them
//	GET    /v1/views           views and collectors that were not destroyed
//	GET    /v1/logins          attempts to log in, since the start
//	POST   /v1/tls/swap        shows another certificate  DELETE the genuine one
//	POST   /v1/vms/{moid}      changes a VM's properties
//	POST   /v1/vms/{moid}/nics          connects or disconnects its adapters
//	POST   /v1/vms/{moid}/customization reports how its customization went
//	POST   /v1/customization/fail       fails those of the next clones  DELETE no more
//	GET    /v1/vms/{moid}/typed     what was typed on its console  DELETE forgets it
//	POST   /v1/vms/{moid}/keyboard  how many key events its console takes at once
//	POST   /v1/objects/{moid}  changes those of any inventory object
func New(token string, parts *Parts) http.Handler {
	c := &endpoint{token, parts}
	mux := http.NewServeMux()
	for pattern, handle := range c.routes() {
		mux.Handle(pattern, answer(handle))
	}
	c.serveWinRM(mux)
	return c.authorized(mux)
}

func (c *endpoint) routes() map[string]func(*http.Request) (any, error) {
	return map[string]func(*http.Request) (any, error){
		"GET /v1/health":           c.health,
		"GET /v1/calls":            c.calls,
		"DELETE /v1/calls":         c.resetCalls,
		"GET /v1/faults":           c.faults,
		"POST /v1/faults":          c.addFault,
		"DELETE /v1/faults":        c.clearFaults,
		"DELETE /v1/faults/{id}":   c.removeFault,
		"POST /v1/tasks/delay":     c.delayTasks,
		"GET /v1/sessions":         c.sessions,
		"POST /v1/sessions/expire": c.expireSessions,
		"GET /v1/views":            c.views,
		"GET /v1/logins":           c.logins,
		"POST /v1/tls/swap":        c.swapCertificate,
		"DELETE /v1/tls/swap":      c.restoreCertificate,
		"POST /v1/vms/{moid}":      c.changeVM,
		"POST /v1/objects/{moid}":  c.changeObject,

		"POST /v1/vms/{moid}/nics":          c.connectNICs,
		"POST /v1/vms/{moid}/customization": c.reportCustomization,
		"POST /v1/customization/fail":       c.failCustomizations,
		"DELETE /v1/customization/fail":     c.clearCustomizations,
		"GET /v1/vms/{moid}/typed":          c.typed,
		"DELETE /v1/vms/{moid}/typed":       c.clearTyped,
		"POST /v1/vms/{moid}/keyboard":      c.limitTyping,
	}
}

// authorized refuses requests without the token.
func (c *endpoint) authorized(next http.Handler) http.Handler {
	wanted := []byte("Bearer " + c.token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), wanted) != 1 {
			reply(w, http.StatusUnauthorized, map[string]string{"error": "the control token is missing or wrong"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxControlBytes)
		next.ServeHTTP(w, r)
	})
}

// errNotFound is the only kind of error that is not the request's fault.
var errNotFound = errors.New("not found")

// answer turns an endpoint's result into JSON, and its error into a status.
func answer(handle func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := handle(r)
		switch {
		case errors.Is(err, errNotFound):
			reply(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		case err != nil:
			reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		default:
			reply(w, http.StatusOK, result)
		}
	})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// decode reads a request's JSON; an empty body leaves the value as it is.
func decode(r *http.Request, value any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

type done struct {
	OK bool `json:"ok"`
}

func (c *endpoint) health(*http.Request) (any, error) {
	return done{true}, nil
}

func (c *endpoint) calls(*http.Request) (any, error) {
	return c.Calls.Report(), nil
}

func (c *endpoint) resetCalls(*http.Request) (any, error) {
	c.Calls.Reset()
	return done{true}, nil
}

// delayTasks takes {"CloneVM": 3000}, as well as CloneVM_Task and the simulator's CloneVm.
func (c *endpoint) delayTasks(r *http.Request) (any, error) {
	delays := map[string]int{}
	if err := decode(r, &delays); err != nil {
		return nil, err
	}
	names := map[string]int{"LockHandoff": 0}
	for name, delay := range delays {
		if delay < 0 {
			return nil, errors.New("a delay must not be negative")
		}
		names[soap.TaskMethod(name)] = delay
	}
	simulator.TaskDelay.MethodDelay = names
	return done{true}, nil
}

func (c *endpoint) sessions(*http.Request) (any, error) {
	return map[string]int{"count": len(c.Sessions.Keys())}, nil
}

// expireSessions takes {"silent": true} to have property reads without a
// session come back empty, as some servers do, instead of NotAuthenticated.
func (c *endpoint) expireSessions(r *http.Request) (any, error) {
	var request struct {
		Silent bool `json:"silent"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	c.Sessions.SetSilent(request.Silent)
	return map[string]int{"expired": c.Sessions.Expire(c.NewContext())}, nil
}

func (c *endpoint) views(*http.Request) (any, error) {
	s := c.Sessions
	return map[string]int{
		"count":      s.Count("ContainerView") + s.Count("ListView"),
		"collectors": s.Collectors(),
		"filters":    s.Count("PropertyFilter"),
	}, nil
}

func (c *endpoint) logins(*http.Request) (any, error) {
	total, failed := c.Calls.Logins()
	return map[string]int{"count": total, "failed": failed}, nil
}

func (c *endpoint) swapCertificate(*http.Request) (any, error) {
	if err := c.Certificates.Swap(); err != nil {
		return nil, err
	}
	c.DropConnections()
	return done{true}, nil
}

func (c *endpoint) restoreCertificate(*http.Request) (any, error) {
	c.Certificates.Restore()
	c.DropConnections()
	return done{true}, nil
}
