package inventory

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

// CheckName refuses names that vCenter would.
//
// CreateFolder: "An entity name must be a non-empty string of less than 80
// characters"; 80 are taken all the same. InvalidName is "thrown when the name
// contains an invalid character or format".
func CheckName(name string, entity types.ManagedObjectReference) types.BaseMethodFault {
	if n := len([]rune(UnescapeName(name))); n == 0 || n > maxNameLength {
		return &types.InvalidName{Name: name, Entity: &entity}
	}
	return nil
}

var escapeSequence = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// UnescapeName is a name with its escape sequences undone.
func UnescapeName(name string) string {
	return escapeSequence.ReplaceAllStringFunc(name, func(sequence string) string {
		text, _ := url.PathUnescape(sequence)
		return text
	})
}

var nameEscaper = strings.NewReplacer("%", "%25", "/", "%2f", `\`, "%5c")

// StoredName is what vCenter makes of a name.
//
// CreateFolder: "The slash (/), backslash (\) and percent (%) will be escaped
// using the URL syntax. For example, %2F. Any percent (%) character used in this
// parameter must be escaped, unless it is used to start an escape sequence.
// Clients may also escape any other characters in this parameter."
func StoredName(name string) string {
	return nameEscaper.Replace(UnescapeName(name))
}

// PendingNames are names that the simulator cannot make a VM with: it escapes them
// twice. Such a VM is made under another name, and gets its own with its last
// change before it is complete.
type PendingNames struct {
	mu    sync.Mutex
	names map[string]string // by the name that the VM is made with
}

// NewPendingNames is without any yet.
func NewPendingNames() *PendingNames {
	return &PendingNames{names: map[string]string{}}
}

var notFileName = regexp.MustCompile(`[%/\\]+`)

// Replace is the name to make a VM with in that folder.
func (p *PendingNames) Replace(registry *simulator.Registry, folder types.ManagedObjectReference, name string) string {
	stored := StoredName(name)
	parent, ok := registry.Get(folder).(*simulator.Folder)
	if !strings.Contains(stored, "%") || !ok || registry.FindByName(stored, parent.ChildEntity) != nil {
		return stored // where it is taken, the simulator's task says so
	}
	temporary := notFileName.ReplaceAllString(stored, "_") + "-" + uuid.NewString()[:8]
	p.mu.Lock()
	p.names[temporary] = stored
	p.mu.Unlock()
	return temporary
}

// Apply gives a VM its own name when it has just been completed under another.
func (p *PendingNames) Apply(ctx *simulator.Context, vm *mo.VirtualMachine) {
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
