package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	maxRequestBytes = 64 << 20
	// promptReply is how long RebootGuest may take before it is answered all the same.
	promptReply = 200 * time.Millisecond
)

// middleware stands before the simulator: it counts calls, breaks connections,
// and answers in the simulator's place where a rule says so.
type middleware struct {
	lab  *Lab
	next http.Handler
}

// ServeHTTP passes everything but SOAP calls on as it is.
func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.lab.isOutdated(r) {
		panic(http.ErrAbortHandler) // closes the connection
	}
	if r.URL.Path == transferPath {
		m.lab.transfers.ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/sdk") {
		m.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return // the client went away
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call, ok := parseCall(body)
	if !ok {
		m.next.ServeHTTP(w, r)
		return
	}
	m.lab.calls.arrived(call.method)
	out := &countingWriter{ResponseWriter: w, status: http.StatusOK}
	m.serveCall(out, r, call)
	m.lab.calls.sent(out.bytes)
	if strings.HasPrefix(call.method, "Login") {
		m.lab.calls.loggedIn(out.status != http.StatusInternalServerError)
	}
}

// serveCall applies the rule that strikes, if any.
func (m *middleware) serveCall(w *countingWriter, r *http.Request, call soapCall) {
	registry := m.lab.model.Map()
	rule := m.lab.rules.strike(call, func() string { return nameOf(registry, call.object) })
	if rule == nil {
		m.perform(w, r, call)
		return
	}
	if rule.When != stallReply && !pause(r.Context(), rule.delay()) {
		return
	}
	switch rule.When {
	case beforeCall:
		writeFault(w, rule.Message, rule.fault)
	case inTask:
		task := m.lab.failingTask(call, rule)
		writeReturn(w, call.method, &task)
	case resetBefore:
		w.reset()
	default:
		m.spoil(w, r, call, rule)
	}
}

// spoil makes the call, then loses its reply or holds it back.
func (m *middleware) spoil(w *countingWriter, r *http.Request, call soapCall, rule *faultRule) {
	reply := newRecorder()
	m.perform(reply, r, call)
	switch rule.When {
	case resetAfter:
		w.reset()
	case dropBody:
		reply.copyHeader(w, reply.body.Len())
		_, _ = w.Write(reply.body.Bytes()[:reply.body.Len()/2])
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		w.reset()
	case stallReply:
		delay := rule.delay()
		if delay == 0 {
			delay = 24 * time.Hour // until the client gives up
		}
		if pause(r.Context(), delay) {
			reply.copyTo(w)
		}
	}
}

// perform has the simulator make the call.
func (m *middleware) perform(w http.ResponseWriter, r *http.Request, call soapCall) {
	switch call.method {
	case "WaitForUpdatesEx", "WaitForUpdates":
		m.wait(w, r, call)
	case "RebootGuest":
		m.reboot(w, r, call)
	case "CloneVM_Task":
		m.startClone(w, r)
	case "MarkAsTemplate", "MarkAsVirtualMachine":
		m.next.ServeHTTP(w, r)
		m.lab.announceVM(call.object)
	case "CancelTask":
		m.cancelTask(w, r, call)
	default:
		m.next.ServeHTTP(w, r)
	}
}

// wait ends a wait for updates when its session does. The simulator's own wait
// goes on in the background until its time is up; nobody hears its end.
func (m *middleware) wait(w http.ResponseWriter, r *http.Request, call soapCall) {
	expiry := m.lab.sessions.expiry()
	reply, done := m.background(r)
	select {
	case <-done:
		reply.copyTo(w)
	case <-r.Context().Done():
	case <-expiry:
		writeFault(w, "The session is not authenticated.", &types.NotAuthenticated{
			NoPermission: types.NoPermission{Object: &call.object, PrivilegeId: "System.View"},
		})
	}
}

// startClone makes one such call at a time, see taskBook.starting.
func (m *middleware) startClone(w http.ResponseWriter, r *http.Request) {
	tasks := m.lab.tasks
	tasks.starting.Lock()
	defer tasks.starting.Unlock()
	tasks.plan = nil
	m.next.ServeHTTP(w, r)
}

// cancelTask leaves a task alone that is at work already.
func (m *middleware) cancelTask(w http.ResponseWriter, r *http.Request, call soapCall) {
	if !m.lab.sessions.isLive(r) || m.lab.tasks.cancel(m.lab.internalContext(), call.object) {
		m.next.ServeHTTP(w, r)
		return
	}
	writeReturn(w, call.method, nil)
}

// reboot answers while the guest is still on its way down.
//
// RebootGuest: "Issues a command to the guest operating system asking it to
// perform a reboot. Returns immediately and does not wait for the guest
// operating system to complete the operation."
func (m *middleware) reboot(w http.ResponseWriter, r *http.Request, call soapCall) {
	reply, done := m.background(r)
	go guarded("a look at a guest that reboots", func() {
		<-done
		if reply.status == http.StatusOK {
			m.lab.refreshGuest(call.object)
		}
	})
	select {
	case <-done:
		reply.copyTo(w)
	case <-time.After(promptReply):
		writeReturn(w, call.method, nil)
	}
}

// background makes the call without holding up the caller.
func (m *middleware) background(r *http.Request) (*recorder, <-chan struct{}) {
	reply, done := newRecorder(), make(chan struct{})
	request := r.Clone(context.WithoutCancel(r.Context()))
	go guarded("a call in the background", func() {
		defer close(done)
		m.next.ServeHTTP(reply, request)
	})
	return reply, done
}

// failingTask is a task on the call's object that ends in the rule's fault.
func (l *Lab) failingTask(call soapCall, rule *faultRule) types.ManagedObjectReference {
	name := strings.TrimSuffix(call.method, "_Task")
	name = strings.ToLower(name[:1]) + name[1:]
	task := simulator.CreateTask(call.object, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, withMessage(rule.fault, rule.Message)
	})
	l.tasks.starting.Lock()
	defer l.tasks.starting.Unlock()
	l.tasks.plan = nil // another clone's is not for this task
	return task.Run(l.internalContext())
}

// withMessage is the fault with a text of its own: a task has no other place for one.
func withMessage(fault types.BaseMethodFault, message string) types.BaseMethodFault {
	if base := fault.GetMethodFault(); message != "" && len(base.FaultMessage) == 0 {
		base.FaultMessage = []types.LocalizableMessage{{Key: "lab", Message: message}}
	}
	return fault
}

// pause tells whether the client was still there at its end.
func pause(ctx context.Context, delay time.Duration) bool {
	if delay == 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
