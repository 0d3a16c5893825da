package rbac

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

type privilegeGroup struct {
	name    string
	members []string
}

// groups lists the privilege groups, their members in byte order.
func groups(t *testing.T, client *milvusclient.Client) []privilegeGroup {
	t.Helper()
	listed, err := client.ListPrivilegeGroups(call(t), milvusclient.NewListPrivilegeGroupsOption())
	must(t, err)
	var all []privilegeGroup
	for _, group := range listed {
		slices.Sort(group.Privileges)
		all = append(all, privilegeGroup{group.GroupName, group.Privileges})
	}
	return all
}

const builtInGroups = 9

// customGroups are those before the built-in ones.
func customGroups(t *testing.T, client *milvusclient.Client) []privilegeGroup {
	t.Helper()
	all := groups(t, client)
	return all[:len(all)-builtInGroups]
}

func TestBuiltInGroups(t *testing.T) {
	covers(t, "ListPrivilegeGroups")
	_, _, root := setUp(t)
	all := groups(t, root)
	var names []string
	members := map[string][]string{}
	for _, group := range all {
		names = append(names, group.name)
		members[group.name] = group.members
	}
	equal(t, names, []string{
		"ClusterReadOnly", "ClusterReadWrite", "ClusterAdmin",
		"DatabaseReadOnly", "DatabaseReadWrite", "DatabaseAdmin",
		"CollectionReadOnly", "CollectionReadWrite", "CollectionAdmin",
	})
	equal(t, members["DatabaseReadOnly"], []string{"DescribeDatabase", "ShowCollections"})
	// What the documentation's tables say, and is not less in later versions.
	for group, documented := range map[string][]string{
		"CollectionReadOnly": {
			"Query", "Search", "IndexDetail", "GetFlushState", "GetLoadState", "GetLoadingProgress", "HasPartition",
			"ShowPartitions", "ListAliases", "DescribeCollection", "DescribeAlias", "GetStatistics",
		},
		"CollectionReadWrite": {
			"CreateIndex", "DropIndex", "CreatePartition", "DropPartition", "Load", "Release", "Insert", "Delete",
			"Upsert", "Import", "Flush", "Compaction", "LoadBalance",
		},
		"CollectionAdmin":   {"CreateAlias", "DropAlias"},
		"DatabaseReadWrite": {"AlterDatabase"},
		"DatabaseAdmin":     {"DropCollection", "CreateCollection"},
		"ClusterReadOnly": {
			"ListDatabases", "SelectOwnership", "SelectUser", "DescribeResourceGroup", "ListResourceGroups",
		},
		"ClusterReadWrite": {"UpdateResourceGroups", "TransferNode", "TransferReplica", "FlushAll"},
		"ClusterAdmin": {
			"CreateOwnership", "UpdateUser", "DropOwnership", "ManageOwnership", "BackupRBAC", "RestoreRBAC",
			"CreateDatabase", "DropDatabase", "CreatePrivilegeGroup", "OperatePrivilegeGroup",
		},
	} {
		for _, privilege := range documented {
			if !slices.Contains(members[group], privilege) {
				t.Errorf("%s lacks %s", group, privilege)
			}
		}
	}
}

func TestPrivilegeGroups(t *testing.T) {
	covers(t, "CreatePrivilegeGroup", "AddPrivilegesToGroup", "RemovePrivilegesFromGroup", "ListPrivilegeGroups",
		"DropPrivilegeGroup")
	ctx, _, root := setUp(t)
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g2")))
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	equal(t, customGroups(t, root), []privilegeGroup{{"g1", []string{}}, {"g2", []string{}}})
	must(t, root.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "Query", "Search")))
	must(t, root.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "Search", "Insert")))
	equal(t, customGroups(t, root)[0], privilegeGroup{"g1", []string{"Insert", "Query", "Search"}})
	must(t, root.RemovePrivilegesFromGroup(ctx, milvusclient.NewRemovePrivilegesFromGroupOption("g1", "Query", "Delete")))
	equal(t, customGroups(t, root)[0], privilegeGroup{"g1", []string{"Insert", "Search"}})
	must(t, root.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("g1")))
	must(t, root.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("g1")))
	must(t, root.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("ClusterAdmin")))
	equal(t, customGroups(t, root), []privilegeGroup{{"g2", []string{}}})
}

// The name that the client keeps for older programs.
func TestOperatePrivilegeGroup(t *testing.T) {
	covers(t, "OperatePrivilegeGroup")
	ctx, _, root := setUp(t)
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	operate := func(operation milvuspb.OperatePrivilegeGroupType, group string, privileges ...string) error {
		var entities []*milvuspb.PrivilegeEntity
		for _, name := range privileges {
			entities = append(entities, &milvuspb.PrivilegeEntity{Name: name})
		}
		return root.OperatePrivilegeGroup(ctx, milvusclient.NewOperatePrivilegeGroupOption(group, entities, operation))
	}
	add := milvuspb.OperatePrivilegeGroupType_AddPrivilegesToGroup
	remove := milvuspb.OperatePrivilegeGroupType_RemovePrivilegesFromGroup
	must(t, operate(add, "g1", "Search", "Query"))
	must(t, operate(remove, "g1", "Search"))
	equal(t, customGroups(t, root), []privilegeGroup{{"g1", []string{"Query"}}})
	refused(t, operate(add, "nope", "Search"), 1100, "failed to check if privilege group alterable: "+
		"there is no privilege group name [nope] defined in system to operate: invalid parameter")
	refused(t, operate(remove, "g1"), 1100, "failed to check if privilege group alterable: "+
		"privileges is empty when alter the privilege group: invalid parameter")
}

func TestCreatePrivilegeGroupRefused(t *testing.T) {
	covers(t, "CreatePrivilegeGroup")
	ctx, _, root := setUp(t)
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	const creatable = "failed to check if privilege group creatable: "
	for name, c := range map[string]struct {
		code int32
		text string
	}{
		"g1":           {1100, creatable + "privilege group name [g1] is defined by users: invalid parameter"},
		"Search":       {1100, creatable + "privilege group name [Search] is defined by built in privileges or privilege groups in system: invalid parameter"},
		"ClusterAdmin": {1100, creatable + "privilege group name [ClusterAdmin] is defined by built in privileges or privilege groups in system: invalid parameter"},
		"":             {1402, "invalid privilege group name[privilegeGroup=privilege group name should not be empty]"},
		"a-b":          {1100, "privilege group name a-b can only contain numbers, letters and underscores: invalid parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption(name)), c.code, c.text)
		})
	}
}

func TestMembersRefused(t *testing.T) {
	covers(t, "AddPrivilegesToGroup", "RemovePrivilegesFromGroup")
	ctx, _, root := setUp(t)
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	must(t, root.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "Search")))
	const alterable = "failed to check if privilege group alterable: "
	for name, c := range map[string]struct {
		group      string
		privileges []string
		text       string
	}{
		"missing group":   {"nope", []string{"Search"}, "there is no privilege group name [nope] defined in system to operate"},
		"built-in group":  {"ClusterAdmin", []string{"Search"}, "there is no privilege group name [ClusterAdmin] defined in system to operate"},
		"nothing":         {"g1", nil, "privileges is empty when alter the privilege group"},
		"unknown":         {"g1", []string{"Nope"}, "there is no privilege name or privilege group name [Nope] defined in system to operate"},
		"everything":      {"g1", []string{"*"}, "there is no privilege name or privilege group name [*] defined in system to operate"},
		"unknown, second": {"g1", []string{"Query", "Nope"}, "there is no privilege name or privilege group name [Nope] defined in system to operate"},
	} {
		t.Run(name, func(t *testing.T) {
			text := alterable + c.text + ": invalid parameter"
			add := milvusclient.NewAddPrivilegesToGroupOption(c.group, c.privileges...)
			refused(t, root.AddPrivilegesToGroup(ctx, add), 1100, text)
			remove := milvusclient.NewRemovePrivilegesFromGroupOption(c.group, c.privileges...)
			refused(t, root.RemovePrivilegesFromGroup(ctx, remove), 1100, text)
		})
	}
	err := root.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "CreateDatabase"))
	refused(t, err, 1100, alterable+"privileges are not the same privilege level: invalid parameter")
	equal(t, customGroups(t, root), []privilegeGroup{{"g1", []string{"Search"}}})
}

func TestDropPrivilegeGroupInUse(t *testing.T) {
	covers(t, "DropPrivilegeGroup")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "g1", "c1")))
	err := root.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("g1"))
	refused(t, err, 1100, "failed to check if privilege group dropable: privilege group [g1] is used by role [r1], "+
		"Use REVOKE API to revoke it first: invalid parameter")
	must(t, root.RevokePrivilegeV2(ctx, milvusclient.NewRevokePrivilegeV2Option("r1", "g1", "c1")))
	must(t, root.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("g1")))
}

// Members that come and go are in force for the grants there are.
func TestMembersAreInForce(t *testing.T) {
	covers(t, "AddPrivilegesToGroup", "RemovePrivilegesFromGroup")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "g1", "c1")))
	u1 := s.client(t, "u1")
	for range 20 {
		denied(t, search(ctx, u1, "", "c1"), "Search", "default")
		must(t, root.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "Search")))
		permitted(t, search(ctx, u1, "", "c1"), "Search")
		must(t, root.RemovePrivilegesFromGroup(ctx, milvusclient.NewRemovePrivilegesFromGroupOption("g1", "Search")))
	}
}
