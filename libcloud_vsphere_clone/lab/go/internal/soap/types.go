package soap

import (
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// VimType is the vSphere API's type of that name, if there is one; methods have one
// each, for their arguments.
var VimType = types.TypeFunc()

// TaskMethod is the method that makes a task, however the task is called:
// CloneVm, CloneVM, CloneVM_Task; PowerOn, PowerOnVM.
func TaskMethod(name string) string {
	stem := strings.Replace(strings.TrimSuffix(name, "_Task"), "Vm", "VM", 1)
	for _, method := range []string{stem + "_Task", stem + "VM_Task"} {
		if _, ok := VimType(method); ok {
			return method
		}
	}
	return name
}
