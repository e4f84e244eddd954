package main

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
)

// The moments at which a rule may strike.
const (
	beforeCall  = "before"       // a SOAP fault instead of the call
	inTask      = "task"         // the call's task ends in error
	resetBefore = "reset-before" // the connection is reset, the call never made
	resetAfter  = "reset-after"  // the call is made, its reply lost
	dropBody    = "drop-body"    // the call is made, half of its reply lost
	stallReply  = "stall"        // the call is made, its reply held back
)

// faultRequest is what POST /v1/faults takes.
type faultRequest struct {
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

// faultRule is a request that was accepted, and how often it has struck.
type faultRule struct {
	ID int `json:"id"`
	faultRequest
	Matches int `json:"matches"`
	Hits    int `json:"hits"`

	fault types.BaseMethodFault
}

// newFaultRule fills in the defaults, or says what is wrong.
func newFaultRule(request faultRequest) (*faultRule, error) {
	if request.Method == "" {
		return nil, fmt.Errorf(`"method" is missing: the name of a SOAP method, or "*"`)
	}
	if request.When == "" {
		request.When = beforeCall
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
	rule := &faultRule{faultRequest: request}
	return rule, rule.makeFault()
}

// makeFault makes the fault that the rule's moment needs, if any.
func (r *faultRule) makeFault() (err error) {
	switch r.When {
	case resetBefore, resetAfter, dropBody, stallReply:
		return nil
	case inTask:
		if r.Method != "*" && !strings.HasSuffix(r.Method, "_Task") {
			return fmt.Errorf("%s makes no task: its name does not end in _Task", r.Method)
		}
	case beforeCall:
	default:
		return fmt.Errorf("%q is no moment for a fault", r.When)
	}
	r.fault, err = newFault(r.Fault, r.Fields)
	return err
}

// newFault is a vim25 fault of that type, with the given fields:
// newFault("NoPermission", `{"privilegeId": "VirtualMachine.Provisioning.Clone"}`).
func newFault(name string, fields json.RawMessage) (types.BaseMethodFault, error) {
	kind, ok := types.TypeFunc()(name)
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

// matches tells whether a call is one that the rule is about.
func (r *faultRule) matches(call soapCall, name func() string) bool {
	if r.Method != "*" && r.Method != call.method {
		return false
	}
	if r.When == inTask && !strings.HasSuffix(call.method, "_Task") {
		return false
	}
	if r.Object == nil {
		return true
	}
	if wanted, ok := strings.CutPrefix(*r.Object, "name:"); ok {
		return wanted == name()
	}
	return *r.Object == call.object.Value
}

// strikes counts a match, and tells whether this one is hit.
func (r *faultRule) strikes() bool {
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

func (r *faultRule) delay() time.Duration {
	return time.Duration(r.DelayMS) * time.Millisecond
}

// faultRules are tried in the order in which they were added.
type faultRules struct {
	mu    sync.Mutex
	last  int
	rules []*faultRule
}

func (f *faultRules) add(rule *faultRule) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	rule.ID = f.last
	f.rules = append(f.rules, rule)
	return rule.ID
}

func (f *faultRules) clear() {
	f.mu.Lock()
	f.rules = nil
	f.mu.Unlock()
}

// remove drops one rule, and tells whether it was there.
func (f *faultRules) remove(id int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(rule *faultRule) bool { return rule.ID == id })
	return len(f.rules) < before
}

// list is a copy of the rules, with their counts of now.
func (f *faultRules) list() []faultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	rules := make([]faultRule, 0, len(f.rules))
	for _, rule := range f.rules {
		rules = append(rules, *rule)
	}
	return rules
}

// strike is the first rule that hits this call; nil for none. name is asked
// for only when a rule depends on it.
func (f *faultRules) strike(call soapCall, name func() string) *faultRule {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rule := range f.rules {
		if rule.matches(call, name) && rule.strikes() {
			return rule
		}
	}
	return nil
}
