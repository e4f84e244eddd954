package seed

import (
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// addPrivileges fills the list of privileges, which the simulator leaves empty,
// from the roles that have them.
func (s *seeder) addPrivileges() error {
	manager := s.registry.Get(*s.client.ServiceContent.AuthorizationManager).(*simulator.AuthorizationManager)
	var ids []string
	for _, role := range manager.RoleList {
		ids = append(ids, role.Privilege...)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		privilege := types.AuthorizationPrivilege{PrivId: id, Name: id}
		if dot := strings.LastIndex(id, "."); dot >= 0 {
			privilege.PrivGroupName, privilege.Name = id[:dot], id[dot+1:]
		}
		manager.PrivilegeList = append(manager.PrivilegeList, privilege)
	}
	return nil
}
