package main

import (
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// maxNameLength is the limit for the name of an inventory object.
const maxNameLength = 80

// checkName refuses names that vCenter would.
//
// CreateFolder: "An entity name must be a non-empty string of less than 80
// characters"; 80 are taken all the same. InvalidName is "thrown when the name
// contains an invalid character or format".
func checkName(name string, entity types.ManagedObjectReference) types.BaseMethodFault {
	if n := len([]rune(unescapeName(name))); n == 0 || n > maxNameLength {
		return &types.InvalidName{Name: name, Entity: &entity}
	}
	return nil
}

var escapeSequence = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unescapeName is a name with its escape sequences undone.
func unescapeName(name string) string {
	return escapeSequence.ReplaceAllStringFunc(name, func(sequence string) string {
		text, _ := url.PathUnescape(sequence)
		return text
	})
}

var nameEscaper = strings.NewReplacer("%", "%25", "/", "%2f", `\`, "%5c")

// storedName is what vCenter makes of a name.
//
// CreateFolder: "The slash (/), backslash (\) and percent (%) will be escaped
// using the URL syntax. For example, %2F. Any percent (%) character used in this
// parameter must be escaped, unless it is used to start an escape sequence.
// Clients may also escape any other characters in this parameter."
func storedName(name string) string {
	return nameEscaper.Replace(unescapeName(name))
}

// pendingNames are names that the simulator cannot make a VM with: it stumbles
// over its own escaping. Such a VM is made under another name, and gets its
// own with its last change before it is complete.
type pendingNames struct {
	mu    sync.Mutex
	names map[string]string // by the name that the VM is made with
}

var notFileName = regexp.MustCompile(`[%/\\]+`)

// replace is the name to make a VM with in that folder.
func (p *pendingNames) replace(registry *simulator.Registry, folder types.ManagedObjectReference, name string) string {
	stored := storedName(name)
	parent, ok := registry.Get(folder).(*simulator.Folder)
	if !strings.Contains(stored, "%") || !ok || registry.FindByName(stored, parent.ChildEntity) != nil {
		return stored // where it is taken, the simulator's task says so
	}
	stand := notFileName.ReplaceAllString(stored, "_") + "-" + uuid.NewString()[:8]
	p.mu.Lock()
	p.names[stand] = stored
	p.mu.Unlock()
	return stand
}

// settle gives a VM its own name when it has just been completed under another.
func (p *pendingNames) settle(ctx *simulator.Context, vm *mo.VirtualMachine) {
	p.mu.Lock()
	name, ok := p.names[vm.Name]
	delete(p.names, vm.Name)
	p.mu.Unlock()
	if ok {
		ctx.Update(vm, []types.PropertyChange{
			{Name: "config.name", Val: name},
			{Name: "summary.config.name", Val: name},
			{Name: "name", Val: name},
		})
	}
}
