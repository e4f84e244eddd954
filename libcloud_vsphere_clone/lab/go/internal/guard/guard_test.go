package guard

import "testing"

func TestGuardedWorkEndsAlone(t *testing.T) {
	var gone *struct{ name string }
	if Run("a test", func() { _ = gone.name }) {
		t.Error("work that panicked is reported to have come to its end")
	}
	if !Run("a test", func() {}) {
		t.Error("work that came to its end is not reported so")
	}
}
