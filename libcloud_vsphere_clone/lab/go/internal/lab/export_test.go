package lab

import "github.com/vmware/govmomi/simulator"

// Registry is the simulator's, for tests that do what it does by itself.
func (l *Lab) Registry() *simulator.Registry {
	return l.model.Map()
}

// NewContext is newContext, for the same.
func (l *Lab) NewContext() *simulator.Context {
	return l.newContext()
}
