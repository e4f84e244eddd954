package seed

import (
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// addSwitch makes the distributed switch and its port group. It comes before
// the hosts: the simulator gives a joining host the port groups there are.
func (s *seeder) addSwitch() error {
	spec := types.DVSCreateSpec{ConfigSpec: &types.VMwareDVSConfigSpec{DVSConfigSpec: types.DVSConfigSpec{Name: switchName}}}
	info, err := s.result(s.folders.NetworkFolder.CreateDVS(s.ctx, spec))
	if err != nil {
		return err
	}
	dvs := object.NewDistributedVirtualSwitch(s.client, info.Result.(types.ManagedObjectReference))
	_, err = s.result(dvs.AddPortgroup(s.ctx, []types.DVPortgroupConfigSpec{{
		Name:     portGroupName,
		Type:     string(types.DistributedVirtualPortgroupPortgroupTypeEarlyBinding),
		NumPorts: 128,
	}}))
	return err
}

// addClusters makes a cluster with DRS and one without.
func (s *seeder) addClusters() error {
	for _, seed := range []struct {
		name  string
		drs   bool
		hosts []string
	}{
		{"cluster-drs", true, []string{"esx-drs-1.lab", "esx-drs-2.lab"}},
		{"cluster-nodrs", false, []string{"esx-nodrs-1.lab", "esx-nodrs-2.lab"}},
	} {
		if err := s.addCluster(seed.name, seed.drs, seed.hosts); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) addCluster(name string, drs bool, hosts []string) error {
	cluster, err := s.folders.HostFolder.CreateCluster(s.ctx, name, types.ClusterConfigSpecEx{})
	if err != nil {
		return err
	}
	s.clusters[name] = cluster
	spec := &types.ClusterConfigSpecEx{DrsConfig: &types.ClusterDrsConfigInfo{
		Enabled:           types.NewBool(drs),
		DefaultVmBehavior: types.DrsBehaviorFullyAutomated,
	}}
	if _, err := s.result(cluster.Reconfigure(s.ctx, spec, true)); err != nil {
		return err
	}
	for _, host := range hosts {
		info, err := s.result(cluster.AddHost(s.ctx, types.HostConnectSpec{HostName: host}, true, nil, nil))
		if err != nil {
			return err
		}
		s.hosts[host] = object.NewHostSystem(s.client, info.Result.(types.ManagedObjectReference))
	}
	return nil
}

// addStandaloneHost makes the host that is in no cluster.
func (s *seeder) addStandaloneHost() error {
	const name = "esx-alone.lab"
	spec := types.HostConnectSpec{HostName: name}
	info, err := s.result(s.folders.HostFolder.AddStandaloneHost(s.ctx, spec, true, nil, nil))
	if err != nil {
		return err
	}
	s.hosts[name] = object.NewHostSystem(s.client, info.Result.(types.ManagedObjectReference))
	return nil
}

// joinSwitch connects every host to the distributed switch.
func (s *seeder) joinSwitch() error {
	network, err := s.finder().Network(s.ctx, switchName)
	if err != nil {
		return err
	}
	dvs := object.NewDistributedVirtualSwitch(s.client, network.Reference())
	for _, name := range s.hostNames() {
		_, err := s.result(dvs.Reconfigure(s.ctx, &types.DVSConfigSpec{
			Host: []types.DistributedVirtualSwitchHostMemberConfigSpec{{
				Operation: string(types.ConfigSpecOperationAdd),
				Host:      s.hosts[name].Reference(),
			}},
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

// completeNetworks adds what the simulator leaves out: which hosts have the
// standard port group, and which port group is the switch's uplink.
func (s *seeder) completeNetworks() error {
	standard, err := s.finder().Network(s.ctx, networkName)
	if err != nil {
		return err
	}
	network := s.registry.Get(standard.Reference()).(*mo.Network)
	for _, name := range s.hostNames() {
		network.Host = append(network.Host, s.hosts[name].Reference())
	}
	for _, entity := range s.registry.All("DistributedVirtualPortgroup") {
		group := entity.(*simulator.DistributedVirtualPortgroup)
		group.Config.Uplink = types.NewBool(group.Name != portGroupName)
	}
	return nil
}

// addPools makes two pools of the same name on purpose: a name alone does not distinguish them.
func (s *seeder) addPools() error {
	for _, name := range []string{"cluster-drs", "cluster-nodrs"} {
		root, err := s.clusters[name].ResourcePool(s.ctx)
		if err != nil {
			return err
		}
		s.pools[name] = root
		tenants, err := root.Create(s.ctx, "tenants", types.DefaultResourceConfigSpec())
		if err != nil {
			return err
		}
		s.pools[name+"/tenants"] = tenants
	}
	_, err := s.pools["cluster-drs/tenants"].Create(s.ctx, "tenant-a", types.DefaultResourceConfigSpec())
	return err
}
