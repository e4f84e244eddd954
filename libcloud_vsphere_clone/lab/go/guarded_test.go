package main

import "testing"

func TestGuardedWorkEndsAlone(t *testing.T) {
	var gone *Lab
	if guarded("a test", func() { _ = gone.model.Map() }) {
		t.Error("work that panicked is told to have come to its end")
	}
	if !guarded("a test", func() {}) {
		t.Error("work that came to its end is not told so")
	}
}
