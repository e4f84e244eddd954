package lab

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/faults"
	"vsphere-lab/internal/guard"
	"vsphere-lab/internal/guestops"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/soap"
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
	if r.URL.Path == guestops.TransferPath {
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
	call, ok := soap.ParseCall(body)
	if !ok {
		m.next.ServeHTTP(w, r)
		return
	}
	m.countCall(w, r, call)
}

// countCall serves a call, and counts it.
func (m *middleware) countCall(w http.ResponseWriter, r *http.Request, call soap.Call) {
	m.lab.calls.Arrived(call.Method)
	out := soap.NewCountingWriter(w)
	m.serveCall(out, r, call)
	m.lab.calls.Sent(out.Bytes)
	if strings.HasPrefix(call.Method, "Login") {
		m.lab.calls.LoggedIn(out.Status != http.StatusInternalServerError)
	}
}

// serveCall applies the rule that fires, if any.
func (m *middleware) serveCall(w *soap.CountingWriter, r *http.Request, call soap.Call) {
	registry := m.lab.model.Map()
	rule := m.lab.rules.Match(call, func() string { return inventory.NameOf(registry, call.Object) })
	if rule == nil {
		m.perform(w, r, call)
		return
	}
	if rule.When != faults.StallReply && !pause(r.Context(), rule.Delay()) {
		return
	}
	switch rule.When {
	case faults.BeforeCall:
		soap.WriteFault(w, rule.Message, rule.VimFault())
	case faults.InTask:
		task := m.lab.tasks.Fail(m.lab.newContext(), call.Object, call.Method, rule.TaskFault())
		soap.WriteReturn(w, call.Method, &task)
	case faults.ResetBefore:
		w.Reset()
	default:
		m.disturbReply(w, r, call, rule)
	}
}

// disturbReply makes the call, then loses its reply or holds it back.
func (m *middleware) disturbReply(w *soap.CountingWriter, r *http.Request, call soap.Call, rule *faults.Rule) {
	reply := soap.NewRecorder()
	m.perform(reply, r, call)
	switch rule.When {
	case faults.ResetAfter:
		w.Reset()
	case faults.DropBody:
		reply.CopyHeader(w, reply.Body.Len())
		_, _ = w.Write(reply.Body.Bytes()[:reply.Body.Len()/2])
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		w.Reset()
	case faults.StallReply:
		delay := rule.Delay()
		if delay == 0 {
			delay = 24 * time.Hour // until the client gives up
		}
		if pause(r.Context(), delay) {
			reply.CopyTo(w)
		}
	}
}

// perform makes the call in the simulator.
func (m *middleware) perform(w http.ResponseWriter, r *http.Request, call soap.Call) {
	switch call.Method {
	case "WaitForUpdatesEx", "WaitForUpdates":
		m.wait(w, r, call)
	case "RebootGuest":
		m.reboot(w, r, call)
	case "CloneVM_Task":
		m.lab.tasks.StartClone(func() { m.next.ServeHTTP(w, r) })
	case "MarkAsTemplate", "MarkAsVirtualMachine":
		m.next.ServeHTTP(w, r)
		m.lab.sessions.Announce(call.Object)
	case "CancelTask":
		m.cancelTask(w, r, call)
	default:
		m.next.ServeHTTP(w, r)
	}
}

// wait ends a wait for updates when its session does. The simulator's own wait
// goes on in the background until its time is up; its reply is dropped.
func (m *middleware) wait(w http.ResponseWriter, r *http.Request, call soap.Call) {
	expiry := m.lab.sessions.Expiry()
	reply, done := m.background(r)
	select {
	case <-done:
		reply.CopyTo(w)
	case <-r.Context().Done():
	case <-expiry:
		soap.WriteFault(w, "The session is not authenticated.", &types.NotAuthenticated{
			NoPermission: types.NoPermission{Object: &call.Object, PrivilegeId: "System.View"},
		})
	}
}

// cancelTask leaves a task alone that is at work already.
func (m *middleware) cancelTask(w http.ResponseWriter, r *http.Request, call soap.Call) {
	if !m.lab.sessions.IsLive(r) || m.lab.tasks.Cancel(m.lab.newContext(), call.Object) {
		m.next.ServeHTTP(w, r)
		return
	}
	soap.WriteReturn(w, call.Method, nil)
}

// reboot answers while the guest is still on its way down.
//
// RebootGuest: "Issues a command to the guest operating system asking it to
// perform a reboot. Returns immediately and does not wait for the guest
// operating system to complete the operation."
func (m *middleware) reboot(w http.ResponseWriter, r *http.Request, call soap.Call) {
	reply, done := m.background(r)
	go guard.Run("a look at a guest that reboots", func() {
		<-done
		if reply.Status == http.StatusOK {
			m.lab.guests.Refresh(call.Object)
		}
	})
	select {
	case <-done:
		reply.CopyTo(w)
	case <-time.After(promptReply):
		soap.WriteReturn(w, call.Method, nil)
	}
}

// background makes the call without holding up the caller.
func (m *middleware) background(r *http.Request) (*soap.Recorder, <-chan struct{}) {
	reply, done := soap.NewRecorder(), make(chan struct{})
	request := r.Clone(context.WithoutCancel(r.Context()))
	go guard.Run("a call in the background", func() {
		defer close(done)
		m.next.ServeHTTP(reply, request)
	})
	return reply, done
}

// pause reports whether the client was still there at its end.
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
