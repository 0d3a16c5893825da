package rbac

import (
	"testing"

	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

func TestGrantAndRevokePrivilege(t *testing.T) {
	covers(t, "GrantPrivilege", "RevokePrivilege", "DescribeRole")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	given := []grant{
		{"Collection", "db1", "c1", "Search"},
		{"Collection", "default", "*", "*"},
		{"Collection", "default", "c1", "Insert"},
		{"Global", "default", "*", "CreateCollection"},
		{"User", "default", "u2", "SelectUser"},
	}
	for _, g := range given {
		option := milvusclient.NewGrantPrivilegeOption("r1", g.objectType, g.privilege, g.objectName)
		if g.database != "default" {
			option = option.WithDbName(g.database)
		}
		// Once more is no error.
		must(t, root.GrantPrivilege(ctx, option))
		must(t, root.GrantPrivilege(ctx, option))
	}
	equal(t, grants(t, root, "r1", "*"), given)
	equal(t, grants(t, root, "r1", "db1"), given[:1])
	equal(t, grants(t, root, "r1", ""), given[1:])

	role, err := root.DescribeRole(ctx, milvusclient.NewDescribeRoleOption("r1").WithDbName("db1"))
	must(t, err)
	equal(t, *role, entity.Role{RoleName: "r1", Privileges: []entity.GrantItem{{
		Object: "Collection", ObjectName: "c1", RoleName: "r1", Grantor: "root", Privilege: "Search", DbName: "db1",
	}}})

	for _, g := range given {
		option := milvusclient.NewRevokePrivilegeOption("r1", g.objectType, g.privilege, g.objectName).WithDbName(g.database)
		must(t, root.RevokePrivilege(ctx, option))
		must(t, root.RevokePrivilege(ctx, option))
	}
	equal(t, grants(t, root, "r1", "*"), []grant{})
}

func TestRelatedPrivileges(t *testing.T) {
	covers(t, "GrantPrivilege", "RevokePrivilege")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("r1", "Collection", "Load", "c1")))
	must(t, root.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("r1", "Collection", "Flush", "c1")))
	equal(t, grants(t, root, "r1", ""), []grant{
		{"Collection", "default", "c1", "Flush"},
		{"Collection", "default", "c1", "GetFlushState"},
		{"Collection", "default", "c1", "GetLoadState"},
		{"Collection", "default", "c1", "GetLoadingProgress"},
		{"Collection", "default", "c1", "Load"},
	})
	must(t, root.RevokePrivilege(ctx, milvusclient.NewRevokePrivilegeOption("r1", "Collection", "Load", "c1")))
	must(t, root.RevokePrivilege(ctx, milvusclient.NewRevokePrivilegeOption("r1", "Collection", "Flush", "c1")))
	equal(t, grants(t, root, "r1", ""), []grant{})
}

func TestGrantPrivilegeRefused(t *testing.T) {
	covers(t, "GrantPrivilege", "RevokePrivilege")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	for name, c := range map[string]struct {
		role, objectType, privilege, objectName, text string
	}{
		"missing role": {
			"nope", "Collection", "Search", "c1",
			`failed to operate privilege common check: the role "nope" does not exist: invalid parameter`,
		},
		"unknown privilege": {
			"r1", "Collection", "Nope", "c1",
			"not found the privilege name[Nope] in object[Collection]: invalid parameter",
		},
		"privilege of another type": {
			"r1", "Global", "Search", "*",
			"not found the privilege name[Search] in object[Global]: invalid parameter",
		},
		"unknown type": {
			"r1", "Database", "Search", "*",
			"failed to operate privilege common check: the object entity in the request is nil or invalid: invalid parameter",
		},
		"built-in group": {
			"r1", "Global", "ClusterAdmin", "*",
			"can not operate the built-in privilege group [ClusterAdmin]: invalid parameter",
		},
		"custom group": {
			"r1", "Global", "g1", "*",
			"can not operate the custom privilege group [g1]: invalid parameter",
		},
		"no object": {
			"r1", "Collection", "Search", "",
			"object name should be not empty: invalid parameter[expected=not empty][actual=]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			grant := milvusclient.NewGrantPrivilegeOption(c.role, c.objectType, c.privilege, c.objectName)
			refused(t, root.GrantPrivilege(ctx, grant), 1100, c.text)
			revoke := milvusclient.NewRevokePrivilegeOption(c.role, c.objectType, c.privilege, c.objectName)
			refused(t, root.RevokePrivilege(ctx, revoke), 1100, c.text)
		})
	}
	equal(t, grants(t, root, "r1", "*"), []grant{})
}
