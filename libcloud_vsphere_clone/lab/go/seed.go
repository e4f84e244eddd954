package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	datacenterName = "lab-dc"
	networkName    = "VM Network"
	portGroupName  = "dvpg-web"
	switchName     = "dvs-1"
	imagesFolder   = "jclouds-images"
)

// seeder makes the inventory through the simulator's own API, in process.
type seeder struct {
	ctx        context.Context
	lab        *Lab
	client     *vim25.Client
	registry   *simulator.Registry
	datacenter *object.Datacenter
	folders    *object.DatacenterFolders
	hosts      map[string]*object.HostSystem
	clusters   map[string]*object.ClusterComputeResource
	pools      map[string]*object.ResourcePool
}

// datacenterName is what clients find the lab's inventory under.
func (l *Lab) datacenterName() string {
	if l.config.ESXi {
		return esx.Datacenter.Name
	}
	return datacenterName
}

// seed is the model with everything in it.
func (l *Lab) seed() (*simulator.Model, error) {
	l.model = simulator.VPX()
	l.model.Datacenter = 0
	if l.config.ESXi {
		l.model = simulator.ESX()
	}
	l.model.ServiceContent.About.ApiVersion = l.config.APIVersion
	if err := l.createModel(); err != nil || l.config.ESXi {
		return l.model, err
	}
	client, err := vim25.NewClient(context.Background(), l.model.Service)
	if err != nil {
		return nil, err
	}
	s := &seeder{
		ctx: context.Background(), lab: l, client: client, registry: l.model.Map(),
		hosts:    map[string]*object.HostSystem{},
		clusters: map[string]*object.ClusterComputeResource{},
		pools:    map[string]*object.ResourcePool{},
	}
	return l.model, s.run()
}

// createModel has the simulator keep its files in the state folder, where the
// next start finds what a killed lab left.
func (l *Lab) createModel() error {
	const variable = "TMPDIR"
	before, set := os.LookupEnv(variable)
	if err := os.Setenv(variable, l.path("model")); err != nil {
		return err
	}
	defer func() {
		if set {
			_ = os.Setenv(variable, before)
		} else {
			_ = os.Unsetenv(variable)
		}
	}()
	return l.model.Create()
}

// run makes things in the order in which they need each other.
func (s *seeder) run() error {
	steps := []func() error{
		s.addDatacenter, s.addSwitch, s.addClusters, s.addStandaloneHost, s.joinSwitch,
		s.dressNetworks, s.addPools, s.addDatastores, s.addPod, s.addTemplates, s.addForeignVMs, s.addLoad, s.addPrivileges,
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

// result is a started task's outcome. It looks at the task itself: a property
// collector would notice 20 ms late, some 40 times.
func (s *seeder) result(started *object.Task, err error) (*types.TaskInfo, error) {
	if err != nil {
		return nil, err
	}
	reader := s.lab.internalContext()
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
