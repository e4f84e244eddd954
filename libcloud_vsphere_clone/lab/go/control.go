package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const maxControlBytes = 1 << 20

// control is the endpoint that tests steer the lab with: plain HTTP on
// loopback, JSON, and a token that is never logged.
type control struct {
	lab *Lab
}

// newControl is the endpoint's handler:
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
//	POST   /v1/vms/{moid}/customization tells how its customization went
//	POST   /v1/customization/fail       fails those of the next clones  DELETE no more
//	GET    /v1/vms/{moid}/typed     what was typed on its console  DELETE forgets it
//	POST   /v1/vms/{moid}/keyboard  how many key events its console takes at once
//	POST   /v1/objects/{moid}  changes those of any inventory object
func newControl(lab *Lab) http.Handler {
	c := &control{lab}
	mux := http.NewServeMux()
	for pattern, endpoint := range map[string]func(*http.Request) (any, error){
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
		"POST /v1/vms/{moid}/customization": c.tellCustomization,
		"POST /v1/customization/fail":       c.failCustomizations,
		"DELETE /v1/customization/fail":     c.spareCustomizations,
		"GET /v1/vms/{moid}/typed":          c.typed,
		"DELETE /v1/vms/{moid}/typed":       c.clearTyped,
		"POST /v1/vms/{moid}/keyboard":      c.limitTyping,
	} {
		mux.Handle(pattern, answer(endpoint))
	}
	c.serveWinRM(mux)
	return c.authorized(mux)
}

// authorized lets only those in who know the token.
func (c *control) authorized(next http.Handler) http.Handler {
	wanted := []byte("Bearer " + c.lab.config.ControlToken)
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
func answer(endpoint func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := endpoint(r)
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

func (c *control) health(*http.Request) (any, error) {
	return done{true}, nil
}

func (c *control) calls(*http.Request) (any, error) {
	return c.lab.calls.report(), nil
}

func (c *control) resetCalls(*http.Request) (any, error) {
	c.lab.calls.reset()
	return done{true}, nil
}

func (c *control) faults(*http.Request) (any, error) {
	return map[string]any{"faults": c.lab.rules.list()}, nil
}

func (c *control) addFault(r *http.Request) (any, error) {
	var request faultRequest
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	rule, err := newFaultRule(request)
	if err != nil {
		return nil, err
	}
	return map[string]int{"id": c.lab.rules.add(rule)}, nil
}

func (c *control) clearFaults(*http.Request) (any, error) {
	c.lab.rules.clear()
	return done{true}, nil
}

func (c *control) removeFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !c.lab.rules.remove(id) {
		return nil, errNotFound
	}
	return done{true}, nil
}

// delayTasks takes {"CloneVM": 3000}, as well as CloneVM_Task and the simulator's CloneVm.
func (c *control) delayTasks(r *http.Request) (any, error) {
	delays := map[string]int{}
	if err := decode(r, &delays); err != nil {
		return nil, err
	}
	names := map[string]int{"LockHandoff": 0}
	for name, delay := range delays {
		if delay < 0 {
			return nil, errors.New("a delay must not be negative")
		}
		names[taskMethod(name)] = delay
	}
	simulator.TaskDelay.MethodDelay = names
	return done{true}, nil
}

func (c *control) sessions(*http.Request) (any, error) {
	return map[string]int{"count": len(c.lab.sessions.keys())}, nil
}

// expireSessions takes {"silent": true} to have property reads without a
// session come back empty, as some servers do, instead of NotAuthenticated.
func (c *control) expireSessions(r *http.Request) (any, error) {
	var request struct {
		Silent bool `json:"silent"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	c.lab.sessions.silent.Store(request.Silent)
	return map[string]int{"expired": c.lab.sessions.expire(c.lab.internalContext())}, nil
}

func (c *control) views(*http.Request) (any, error) {
	s := c.lab.sessions
	return map[string]int{
		"count":      s.count("ContainerView") + s.count("ListView"),
		"collectors": s.collectors(),
		"filters":    s.count("PropertyFilter"),
	}, nil
}

func (c *control) logins(*http.Request) (any, error) {
	total, failed := c.lab.calls.loginReport()
	return map[string]int{"count": total, "failed": failed}, nil
}

func (c *control) swapCertificate(*http.Request) (any, error) {
	if err := c.lab.certificates.swap(); err != nil {
		return nil, err
	}
	c.lab.dropConnections()
	return done{true}, nil
}

func (c *control) restoreCertificate(*http.Request) (any, error) {
	c.lab.certificates.restore()
	c.lab.dropConnections()
	return done{true}, nil
}

// changeVM takes {"set": {property path: value}} and {"drop_config": true|false}.
func (c *control) changeVM(r *http.Request) (any, error) {
	var request struct {
		Set        map[string]json.RawMessage `json:"set"`
		DropConfig *bool                      `json:"drop_config"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: r.PathValue("moid")}
	vm, ok := c.lab.model.Map().Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return nil, errNotFound
	}
	if request.DropConfig != nil {
		c.lab.shadows.set(ref, *request.DropConfig)
		c.lab.announceVM(ref)
	}
	return done{true}, c.lab.setProperties(vm, request.Set)
}

// changeObject takes {"set": {"summary.maintenanceMode": "inMaintenance"}}, for
// hosts, datastores and whatever else has a name.
func (c *control) changeObject(r *http.Request) (any, error) {
	var request struct {
		Set map[string]json.RawMessage `json:"set"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	for _, object := range c.lab.model.Map().All("") {
		if object.Reference().Value == r.PathValue("moid") {
			return done{true}, c.lab.setProperties(object, request.Set)
		}
	}
	return nil, errNotFound
}
