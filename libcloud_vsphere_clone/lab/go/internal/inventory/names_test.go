package inventory

import "testing"

func TestStoredName(t *testing.T) {
	for name, want := range map[string]string{
		"web 1": "web 1", "a/b": "a%2fb", "a%2Fb": "a%2fb", `a\b`: "a%5cb", "100%": "100%25", "100%25": "100%25", "%zz": "%25zz", "ü": "ü",
	} {
		if got := StoredName(name); got != want {
			t.Errorf("%q is stored as %q, not %q", name, got, want)
		}
	}
}
