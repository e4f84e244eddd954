// Package faults has the rules by which calls go wrong on purpose, and the texts of
// faults. It makes no calls itself.
package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/soap"
)

// The moments at which a rule's fault may come.
const (
	BeforeCall  = "before"       // a SOAP fault instead of the call
	InTask      = "task"         // the call's task ends in error
	ResetBefore = "reset-before" // the connection is reset, the call never made
	ResetAfter  = "reset-after"  // the call is made, its reply lost
	DropBody    = "drop-body"    // the call is made, half of its reply lost
	StallReply  = "stall"        // the call is made, its reply held back
)

// Request is what POST /v1/faults takes.
type Request struct {
	Method  string          `json:"method"`
	Object  *string         `json:"object,omitempty"`
	Fault   string          `json:"fault,omitempty"`
	Message string          `json:"message,omitempty"`
	Fields  json.RawMessage `json:"fields,omitempty"`
	Times   *int            `json:"times,omitempty"`
	Every   int             `json:"every,omitempty"`
	When    string          `json:"when,omitempty"`
	DelayMS int             `json:"delay_ms,omitempty"`
}

// Rule is a request that was accepted, with how often its calls came and how often it fired.
type Rule struct {
	ID int `json:"id"`
	Request
	Matches int `json:"matches"`
	Hits    int `json:"hits"`

	fault types.BaseMethodFault
}

// NewRule is the rule of a request, its gaps filled with the defaults, or an error.
func NewRule(request Request) (*Rule, error) {
	if request.Method == "" {
		return nil, fmt.Errorf(`"method" is missing: the name of a SOAP method, or "*"`)
	}
	if request.When == "" {
		request.When = BeforeCall
	}
	if request.Every == 0 {
		request.Every = 1
	}
	if request.Times == nil {
		request.Times = new(int)
		*request.Times = 1
	}
	if request.Every < 1 || *request.Times < 0 || request.DelayMS < 0 {
		return nil, fmt.Errorf(`"every" starts at 1, "times" and "delay_ms" at 0`)
	}
	rule := &Rule{Request: request}
	return rule, rule.makeFault()
}

// makeFault makes the fault that the rule's moment needs, if any.
func (r *Rule) makeFault() (err error) {
	switch r.When {
	case ResetBefore, ResetAfter, DropBody, StallReply:
		return nil
	case InTask:
		if r.Method != "*" && !strings.HasSuffix(r.Method, "_Task") {
			return fmt.Errorf("%s makes no task: its name does not end in _Task", r.Method)
		}
	case BeforeCall:
	default:
		return fmt.Errorf("%q is no moment for a fault", r.When)
	}
	r.fault, err = newFault(r.Fault, r.Fields)
	return err
}

// newFault is a vim25 fault of that type, with the given fields:
// newFault("NoPermission", `{"privilegeId": "VirtualMachine.Provisioning.Clone"}`).
func newFault(name string, fields json.RawMessage) (types.BaseMethodFault, error) {
	kind, ok := soap.VimType(name)
	if !ok || kind.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%q is no vim25 fault", name)
	}
	fault, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("vim25 has a type %s, but it is no fault", name)
	}
	if len(fields) == 0 {
		return fault, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(fields))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(fault); err != nil {
		return nil, fmt.Errorf("fields of %s: %w", name, err)
	}
	return fault, nil
}

// matches reports whether the rule is about a call.
func (r *Rule) matches(call soap.Call, name func() string) bool {
	if r.Method != "*" && r.Method != call.Method {
		return false
	}
	if r.When == InTask && !strings.HasSuffix(call.Method, "_Task") {
		return false
	}
	if r.Object == nil {
		return true
	}
	if wanted, ok := strings.CutPrefix(*r.Object, "name:"); ok {
		return wanted == name()
	}
	return *r.Object == call.Object.Value
}

// fires counts a match, and reports whether the fault comes with this one.
func (r *Rule) fires() bool {
	if *r.Times > 0 && r.Hits >= *r.Times {
		return false
	}
	r.Matches++
	if r.Matches%r.Every != 0 {
		return false
	}
	r.Hits++
	return true
}

// TaskFault is the fault as a task ends in it: a task has no other place for the
// rule's message.
func (r *Rule) TaskFault() types.BaseMethodFault {
	if base := r.fault.GetMethodFault(); r.Message != "" && len(base.FaultMessage) == 0 {
		base.FaultMessage = []types.LocalizableMessage{{Key: "lab", Message: r.Message}}
	}
	return r.fault
}

// VimFault is the fault that a call is answered with; nil for a rule that only
// breaks connections.
func (r *Rule) VimFault() types.BaseMethodFault {
	return r.fault
}

// Delay is how long the rule holds a call or its reply back.
func (r *Rule) Delay() time.Duration {
	return time.Duration(r.DelayMS) * time.Millisecond
}

// Rules are tried in the order in which they were added.
type Rules struct {
	mu    sync.Mutex
	last  int
	rules []*Rule
}

// Add puts a rule last, and returns its id.
func (f *Rules) Add(rule *Rule) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	rule.ID = f.last
	f.rules = append(f.rules, rule)
	return rule.ID
}

// Clear drops all rules.
func (f *Rules) Clear() {
	f.mu.Lock()
	f.rules = nil
	f.mu.Unlock()
}

// Remove drops one rule, and reports whether it was there.
func (f *Rules) Remove(id int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(rule *Rule) bool { return rule.ID == id })
	return len(f.rules) < before
}

// List is a copy of the rules, with their counts of now.
func (f *Rules) List() []Rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	rules := make([]Rule, 0, len(f.rules))
	for _, rule := range f.rules {
		rules = append(rules, *rule)
	}
	return rules
}

// Match is the first rule that fires for a call, nil for none. It calls name for
// the object's name, only if a rule depends on that.
func (f *Rules) Match(call soap.Call, name func() string) *Rule {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rule := range f.rules {
		if rule.matches(call, name) && rule.fires() {
			return rule
		}
	}
	return nil
}
