package inventory

import "github.com/vmware/govmomi/simulator"

// thinDiskBytes is what one VM takes from its datastore: its disks are thin.
const thinDiskBytes = int64(1) << 26

// FreeSpace is what datastores have free apart from their VMs, in bytes.
//
// The simulator takes the whole capacity of each disk, and a few dozen clones
// would leave less than nothing.
type FreeSpace struct {
	free map[*simulator.Datastore]*int64 // each is its datastore's lock's to guard
}

// NewFreeSpace is of no datastore yet.
func NewFreeSpace() *FreeSpace {
	return &FreeSpace{free: map[*simulator.Datastore]*int64{}}
}

// Add sets what a new datastore has free while it has no VMs. It is not for a lab
// that runs already.
func (f *FreeSpace) Add(datastore *simulator.Datastore, free int64) {
	f.free[datastore] = &free
	setFreeSpace(datastore, free)
}

// Update sets the free space of all datastores from the VMs on them.
func (f *FreeSpace) Update(ctx *simulator.Context) {
	for datastore, free := range f.free {
		ctx.WithLock(datastore, func() {
			setFreeSpace(datastore, max(*free-int64(len(datastore.Vm))*thinDiskBytes, 0))
		})
	}
}

// Keep makes what a datastore has free now, with its VMs, the basis of later
// updates. The caller holds the datastore's lock.
func (f *FreeSpace) Keep(datastore *simulator.Datastore) {
	if free := f.free[datastore]; free != nil {
		*free = datastore.Summary.FreeSpace + int64(len(datastore.Vm))*thinDiskBytes
	}
}

// setFreeSpace sets both places where a datastore has it.
func setFreeSpace(datastore *simulator.Datastore, free int64) {
	datastore.Summary.FreeSpace = free
	datastore.Info.GetDatastoreInfo().FreeSpace = free
}
