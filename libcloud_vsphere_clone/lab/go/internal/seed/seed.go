// Package seed makes the lab's inventory.
package seed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
)

const (
	datacenterName = "lab-dc"
	networkName    = "VM Network"
	portGroupName  = "dvpg-web"
	switchName     = "dvs-1"
	imagesFolder   = "jclouds-images"
)

// Options say what the inventory is to be like.
type Options struct {
	APIVersion  string
	ESXi        bool // a bare host, which has nothing else
	VMs         int  // plain VMs, as inventory load
	Guests      bool // whether clones of templates have containers
	GuestImage  string
	StaticImage string
	Folder      string // for the simulator's files and those of the datastores
}

// seeder makes the inventory through the simulator's own API, in process.
type seeder struct {
	ctx        context.Context
	options    Options
	addresses  *inventory.MACAddresses
	freeSpace  *inventory.FreeSpace
	model      *simulator.Model
	client     *vim25.Client
	registry   *simulator.Registry
	datacenter *object.Datacenter
	folders    *object.DatacenterFolders
	hosts      map[string]*object.HostSystem
	clusters   map[string]*object.ClusterComputeResource
	pools      map[string]*object.ResourcePool
}

// DatacenterName is the name of the datacenter with the whole inventory.
func (o Options) DatacenterName() string {
	if o.ESXi {
		return esx.Datacenter.Name
	}
	return datacenterName
}

// NewModel is the simulator's model for such an inventory, with nothing in it yet.
func NewModel(options Options) *simulator.Model {
	model := simulator.VPX()
	model.Datacenter = 0
	if options.ESXi {
		model = simulator.ESX()
	}
	model.ServiceContent.About.ApiVersion = options.APIVersion
	return model
}

// Fill creates the model and everything in it.
func Fill(model *simulator.Model, options Options, addresses *inventory.MACAddresses, freeSpace *inventory.FreeSpace) error {
	if err := createModel(model, filepath.Join(options.Folder, "model")); err != nil || options.ESXi {
		return err
	}
	client, err := vim25.NewClient(context.Background(), model.Service)
	if err != nil {
		return err
	}
	s := &seeder{
		ctx: context.Background(), options: options, addresses: addresses, freeSpace: freeSpace, model: model,
		client: client, registry: model.Map(),
		hosts:    map[string]*object.HostSystem{},
		clusters: map[string]*object.ClusterComputeResource{},
		pools:    map[string]*object.ResourcePool{},
	}
	return s.run()
}

// createModel makes the simulator keep its files in that folder, where the next
// start finds what a killed lab left.
func createModel(model *simulator.Model, folder string) error {
	const variable = "TMPDIR"
	before, set := os.LookupEnv(variable)
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.Setenv(variable, folder)); err != nil {
		return err
	}
	defer func() {
		if set {
			_ = os.Setenv(variable, before)
		} else {
			_ = os.Unsetenv(variable)
		}
	}()
	return model.Create()
}

// run makes things in the order in which they need each other.
func (s *seeder) run() error {
	steps := []func() error{
		s.addDatacenter, s.addSwitch, s.addClusters, s.addStandaloneHost, s.joinSwitch,
		s.completeNetworks, s.addPools, s.addDatastores, s.addPod, s.addTemplates, s.addForeignVMs, s.addLoad, s.addPrivileges,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) addDatacenter() (err error) {
	s.datacenter, err = object.NewRootFolder(s.client).CreateDatacenter(s.ctx, datacenterName)
	if err != nil {
		return err
	}
	s.folders, err = s.datacenter.Folders(s.ctx)
	return err
}

// hostNames lists the hosts in the order in which they were made.
func (s *seeder) hostNames() []string {
	return []string{"esx-drs-1.lab", "esx-drs-2.lab", "esx-nodrs-1.lab", "esx-nodrs-2.lab", "esx-alone.lab"}
}

func (s *seeder) finder() *find.Finder {
	return find.NewFinder(s.client).SetDatacenter(s.datacenter)
}

// result is a started task's outcome. It reads the task itself: a property
// collector would be 20 ms late, some 40 times.
func (s *seeder) result(started *object.Task, err error) (*types.TaskInfo, error) {
	if err != nil {
		return nil, err
	}
	reader := *s.model.Service.Context // one of our own: locks are held by context
	task := s.registry.Get(started.Reference()).(*simulator.Task)
	for {
		var info types.TaskInfo
		reader.WithLock(task, func() { info = task.Info })
		switch info.State {
		case types.TaskInfoStateSuccess:
			return &info, nil
		case types.TaskInfoStateError:
			return nil, fmt.Errorf("%s: %T", info.Name, info.Error.Fault)
		}
		time.Sleep(100 * time.Microsecond)
	}
}
