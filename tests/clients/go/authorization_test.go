package rbac

import (
	"context"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

// Every method that needs a privilege, by the privilege and the database in which it is needed. They are
// called in this order: what one creates is there for those after it.
var guarded = []struct {
	method, privilege, database string
	call                        func(context.Context, *milvusclient.Client) error
}{
	{"CreateUser", "CreateOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.CreateUser(ctx, milvusclient.NewCreateUserOption("u2", password))
	}},
	{"UpdatePassword", "UpdateUser", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.UpdatePassword(ctx, milvusclient.NewUpdatePasswordOption("u2", password, password))
	}},
	{"ListUsers", "SelectOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		_, err := c.ListUsers(ctx, milvusclient.NewListUserOption())
		return err
	}},
	{"DescribeUser", "SelectUser", "*", func(ctx context.Context, c *milvusclient.Client) error {
		_, err := c.DescribeUser(ctx, milvusclient.NewDescribeUserOption("u2"))
		return err
	}},
	{"CreateRole", "CreateOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.CreateRole(ctx, milvusclient.NewCreateRoleOption("r2"))
	}},
	{"ListRoles", "SelectOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		_, err := c.ListRoles(ctx, milvusclient.NewListRoleOption())
		return err
	}},
	{"DescribeRole", "SelectOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		_, err := c.DescribeRole(ctx, milvusclient.NewDescribeRoleOption("r2"))
		return err
	}},
	{"GrantRole", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.GrantRole(ctx, milvusclient.NewGrantRoleOption("u2", "r2"))
	}},
	{"RevokeRole", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("u2", "r2"))
	}},
	{"GrantPrivilege", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("r2", "Collection", "Search", "c1"))
	}},
	{"RevokePrivilege", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.RevokePrivilege(ctx, milvusclient.NewRevokePrivilegeOption("r2", "Collection", "Search", "c1"))
	}},
	{"GrantPrivilegeV2", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r2", "Search", "c1"))
	}},
	{"RevokePrivilegeV2", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.RevokePrivilegeV2(ctx, milvusclient.NewRevokePrivilegeV2Option("r2", "Search", "c1"))
	}},
	{"GrantV2", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.GrantV2(ctx, milvusclient.NewGrantV2Option("r2", "Search", "default", "c1"))
	}},
	{"RevokeV2", "ManageOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.RevokeV2(ctx, milvusclient.NewRevokeV2Option("r2", "Search", "default", "c1"))
	}},
	{"CreatePrivilegeGroup", "CreatePrivilegeGroup", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1"))
	}},
	{"ListPrivilegeGroups", "ListPrivilegeGroups", "*", func(ctx context.Context, c *milvusclient.Client) error {
		_, err := c.ListPrivilegeGroups(ctx, milvusclient.NewListPrivilegeGroupsOption())
		return err
	}},
	{"AddPrivilegesToGroup", "OperatePrivilegeGroup", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "Search"))
	}},
	{"RemovePrivilegesFromGroup", "OperatePrivilegeGroup", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.RemovePrivilegesFromGroup(ctx, milvusclient.NewRemovePrivilegesFromGroupOption("g1", "Search"))
	}},
	{"OperatePrivilegeGroup", "OperatePrivilegeGroup", "*", func(ctx context.Context, c *milvusclient.Client) error {
		privileges := []*milvuspb.PrivilegeEntity{{Name: "Search"}}
		return c.OperatePrivilegeGroup(ctx, milvusclient.NewOperatePrivilegeGroupOption("g1", privileges, 0))
	}},
	{"DropPrivilegeGroup", "DropPrivilegeGroup", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("g1"))
	}},
	{"DropRole", "DropOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.DropRole(ctx, milvusclient.NewDropRoleOption("r2"))
	}},
	{"DropUser", "DropOwnership", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.DropUser(ctx, milvusclient.NewDropUserOption("u2"))
	}},
	{"BackupRBAC", "BackupRBAC", "*", func(ctx context.Context, c *milvusclient.Client) error {
		_, err := c.BackupRBAC(ctx, milvusclient.NewBackupRBACOption())
		return err
	}},
	{"RestoreRBAC", "RestoreRBAC", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.RestoreRBAC(ctx, milvusclient.NewRestoreRBACOption(&entity.RBACMeta{}))
	}},
	{"CreateDatabase", "CreateDatabase", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1"))
	}},
	{"DescribeDatabase", "DescribeDatabase", "db1", func(ctx context.Context, c *milvusclient.Client) error {
		_, err := c.DescribeDatabase(ctx, milvusclient.NewDescribeDatabaseOption("db1"))
		return err
	}},
	{"AlterDatabaseProperties", "AlterDatabase", "db1", func(ctx context.Context, c *milvusclient.Client) error {
		return c.AlterDatabaseProperties(ctx, milvusclient.NewAlterDatabasePropertiesOption("db1").WithProperty("a", 1))
	}},
	{"DropDatabaseProperties", "AlterDatabase", "db1", func(ctx context.Context, c *milvusclient.Client) error {
		return c.DropDatabaseProperties(ctx, milvusclient.NewDropDatabasePropertiesOption("db1", "a"))
	}},
	{"DropDatabase", "DropDatabase", "*", func(ctx context.Context, c *milvusclient.Client) error {
		return c.DropDatabase(ctx, milvusclient.NewDropDatabaseOption("db1"))
	}},
}

// Each method is refused without its privilege, permitted with it, and refused again once it is revoked.
func TestPrivileges(t *testing.T) {
	ctx, s, root := setUp(t)
	addUser(t, root, "u1", "r1")
	u1 := s.client(t, "u1")
	for _, g := range guarded {
		t.Run(g.method, func(t *testing.T) {
			covers(t, g.method)
			denied(t, g.call(ctx, u1), g.privilege, g.database)
			must(t, root.GrantPrivilegeV2(ctx,
				milvusclient.NewGrantPrivilegeV2Option("r1", g.privilege, "*").WithDbName(g.database)))
			must(t, g.call(ctx, u1))
			must(t, root.RevokePrivilegeV2(ctx,
				milvusclient.NewRevokePrivilegeV2Option("r1", g.privilege, "*").WithDbName(g.database)))
			denied(t, g.call(ctx, u1), g.privilege, g.database)
		})
	}
}

// What needs no privilege, and what one may do to oneself.
func TestWithoutPrivileges(t *testing.T) {
	covers(t, "GetServerVersion", "DescribeUser", "UpdatePassword", "ListDatabase", "UseDatabase")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1")))
	u1 := s.client(t, "u1")
	_, err := u1.GetServerVersion(ctx, milvusclient.NewGetServerVersionOption())
	must(t, err)
	equal(t, describeUser(t, u1, "u1").Roles, []string{"r1"})
	equal(t, databases(t, u1), nil)
	must(t, u1.UseDatabase(ctx, milvusclient.NewUseDatabaseOption("db1")))
	// Upper and lower case are different users.
	_, err = u1.DescribeUser(ctx, milvusclient.NewDescribeUserOption("U1"))
	denied(t, err, "SelectUser", "*")
	must(t, u1.UpdatePassword(ctx, milvusclient.NewUpdatePasswordOption("u1", password, password)))
}

func TestTheRoleAdmin(t *testing.T) {
	covers(t, "GrantRole", "RevokeRole")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1")
	u1 := s.client(t, "u1")
	for range 20 {
		must(t, root.GrantRole(ctx, milvusclient.NewGrantRoleOption("u1", "admin")))
		equal(t, users(t, u1), []string{"root", "u1"})
		must(t, root.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("u1", "admin")))
		_, err := u1.ListUsers(ctx, milvusclient.NewListUserOption())
		denied(t, err, "SelectOwnership", "*")
	}
}

func TestAuthorizationOff(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]milvusclient.ClientConfig{
		"no credentials":    {},
		"a wrong password":  {Username: "root", Password: "wrong"},
		"an unknown key":    {APIKey: "key"},
		"right credentials": login("root", ""),
	} {
		t.Run(name, func(t *testing.T) {
			covers(t, "New", "CreateUser", "CreateRole", "GrantRole", "CreatePrivilegeGroup", "CreateDatabase")
			ctx := call(t)
			s := start(t, "--authorization", "off")
			client, err := s.dial(t, config)
			must(t, err)
			// The grants and the group refer to these.
			addUser(t, client, "u2", "r2")
			must(t, client.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
			must(t, client.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1")))
			for _, g := range guarded {
				switch g.method {
				case "CreateUser", "CreateRole", "CreatePrivilegeGroup", "CreateDatabase":
					continue
				}
				t.Run(g.method, func(t *testing.T) {
					covers(t, g.method)
					must(t, g.call(ctx, client))
				})
			}
		})
	}
}
