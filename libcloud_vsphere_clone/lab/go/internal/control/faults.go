package control

import (
	"net/http"
	"strconv"

	"vsphere-lab/internal/faults"
)

func (c *endpoint) faults(*http.Request) (any, error) {
	return map[string]any{"faults": c.Rules.List()}, nil
}

func (c *endpoint) addFault(r *http.Request) (any, error) {
	var request faults.Request
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	rule, err := faults.NewRule(request)
	if err != nil {
		return nil, err
	}
	return map[string]int{"id": c.Rules.Add(rule)}, nil
}

func (c *endpoint) clearFaults(*http.Request) (any, error) {
	c.Rules.Clear()
	return done{true}, nil
}

func (c *endpoint) removeFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !c.Rules.Remove(id) {
		return nil, errNotFound
	}
	return done{true}, nil
}
