package main

import "testing"

func TestGuardedWorkEndsAlone(t *testing.T) {
	var gone *Lab
	done := false
	guarded("a test", func() {
		defer func() { done = true }()
		_ = gone.model
	})
	if !done {
		t.Error("the work was not done")
	}
}
