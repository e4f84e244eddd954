package soap

import "testing"

func TestTaskMethod(t *testing.T) {
	for name, want := range map[string]string{
		"CloneVm": "CloneVM_Task", "CloneVM": "CloneVM_Task", "CloneVM_Task": "CloneVM_Task",
		"PowerOn": "PowerOnVM_Task", "PowerOnVM": "PowerOnVM_Task", "Destroy": "Destroy_Task",
		"ReconfigVm": "ReconfigVM_Task", "CreateVm": "CreateVM_Task", "Reset": "ResetVM_Task",
		"Rename": "Rename_Task", "ShutdownGuest": "ShutdownGuest",
	} {
		if got := TaskMethod(name); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}
