package rbac

import (
	"testing"

	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

const noRole = "not found the role, maybe the role isn't existed or internal system error: invalid parameter"

func roles(t *testing.T, client *milvusclient.Client) []string {
	t.Helper()
	names, err := client.ListRoles(call(t), milvusclient.NewListRoleOption())
	must(t, err)
	return names
}

func TestCreateRole(t *testing.T) {
	covers(t, "CreateRole", "ListRoles", "DescribeRole")
	ctx, _, root := setUp(t)
	equal(t, roles(t, root), []string{"admin", "public"})
	for _, name := range []string{"r2", "R2", "_r", "r$"} {
		must(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption(name)))
	}
	equal(t, roles(t, root), []string{"R2", "_r", "admin", "public", "r$", "r2"})
	role, err := root.DescribeRole(ctx, milvusclient.NewDescribeRoleOption("r2"))
	must(t, err)
	equal(t, *role, entity.Role{RoleName: "r2", Privileges: []entity.GrantItem{}})
}

func TestCreateRoleRefused(t *testing.T) {
	covers(t, "CreateRole", "ListRoles")
	ctx, _, root := setUp(t)
	must(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption("r1")))
	for name, text := range map[string]string{
		"r1":    `role [name:"r1"] already exists: invalid parameter`,
		"admin": `role [name:"admin"] already exists: invalid parameter`,
		"":      "role name should be not empty: invalid parameter[expected=not empty][actual=]",
		"1r": "the first character of role name must be an underscore or letter: " +
			"invalid parameter[expected=95][actual=49]",
		"r-1": "role name can only contain numbers, letters, underscores, and allowed characters ($), " +
			"found - at 1: invalid parameter",
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption(name)), 1100, text)
		})
	}
	equal(t, roles(t, root), []string{"admin", "public", "r1"})
}

func TestRoleLimit(t *testing.T) {
	covers(t, "CreateRole")
	ctx, _, root := setUp(t)
	for _, name := range []string{"r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"} {
		must(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption(name)))
	}
	err := root.CreateRole(ctx, milvusclient.NewCreateRoleOption("r9"))
	failed(t, err, 9, "failed to check if create role: quota exceeded[reason=unable to create role because "+
		"the number of roles has reached the limit][limit=10]")
}

func TestDescribeMissingRole(t *testing.T) {
	covers(t, "DescribeRole")
	ctx, _, root := setUp(t)
	// The client's own text.
	if _, err := root.DescribeRole(ctx, milvusclient.NewDescribeRoleOption("nope")); err == nil || err.Error() != "role not found" {
		t.Error(err)
	}
}

func TestDescribePublic(t *testing.T) {
	covers(t, "DescribeRole")
	_, _, root := setUp(t)
	equal(t, grants(t, root, "admin", "*"), []grant{})
	equal(t, grants(t, root, "public", ""), []grant{
		{"Collection", "*", "*", "IndexDetail"},
		{"Global", "*", "*", "DescribeCollection"},
		{"Global", "*", "*", "ListAliases"},
	})
}

func TestDropRole(t *testing.T) {
	covers(t, "DropRole")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	// Users who have it do not keep it, grants do.
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "Search", "c1").WithDbName("db1")))
	err := root.DropRole(ctx, milvusclient.NewDropRoleOption("r1"))
	refused(t, err, 1100, "failed to check if drop role: fail to drop the role that it has privileges. "+
		"Use REVOKE API to revoke privileges: invalid parameter")
	must(t, root.RevokePrivilegeV2(ctx, milvusclient.NewRevokePrivilegeV2Option("r1", "Search", "c1").WithDbName("db1")))
	must(t, root.DropRole(ctx, milvusclient.NewDropRoleOption("r1")))
	equal(t, roles(t, root), []string{"admin", "public"})
	equal(t, describeUser(t, root, "u1").Roles, []string{})

	refused(t, root.DropRole(ctx, milvusclient.NewDropRoleOption("r1")), 1100, noRole)
	for _, name := range []string{"admin", "public"} {
		err := root.DropRole(ctx, milvusclient.NewDropRoleOption(name))
		refused(t, err, 1401, "the role["+name+"] is a default role, which can't be dropped: privilege not permitted")
	}
}

func TestGrantAndRevokeRole(t *testing.T) {
	covers(t, "GrantRole", "RevokeRole", "DescribeUser")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r2", "r1", "public")
	equal(t, describeUser(t, root, "u1"), entity.User{UserName: "u1", Roles: []string{"public", "r1", "r2"}})
	// Both are idempotent.
	must(t, root.GrantRole(ctx, milvusclient.NewGrantRoleOption("u1", "r1")))
	must(t, root.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("u1", "r1")))
	must(t, root.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("u1", "r1")))
	must(t, root.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("nobody", "r1")))
	equal(t, describeUser(t, root, "u1").Roles, []string{"public", "r2"})
}

func TestGrantRoleRefused(t *testing.T) {
	covers(t, "GrantRole", "RevokeRole")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	refused(t, root.GrantRole(ctx, milvusclient.NewGrantRoleOption("u1", "nope")), 1100, noRole)
	refused(t, root.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("u1", "nope")), 1100, noRole)
	err := root.GrantRole(ctx, milvusclient.NewGrantRoleOption("nobody", "r1"))
	refused(t, err, 1100, `failed to check if operate user role: user "nobody" not found: invalid parameter`)
	err = root.GrantRole(ctx, milvusclient.NewGrantRoleOption("", "r1"))
	refused(t, err, 1100, "username must be not empty: invalid parameter")
}
