package rbac

import (
	"testing"

	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
	"google.golang.org/grpc/codes"
)

// The way through all pages of the documentation: a group, its privileges, a role, a user, grants on each
// level, use, and everything back.
func TestFromStartToEnd(t *testing.T) {
	covers(t, "New", "CreatePrivilegeGroup", "AddPrivilegesToGroup", "CreateRole", "CreateUser", "GrantRole",
		"GrantPrivilegeV2", "DescribeUser", "DescribeRole", "RevokePrivilegeV2", "RevokeRole", "DropPrivilegeGroup",
		"DropRole", "DropUser", "UseDatabase")
	ctx, s, root := setUp(t)
	for _, name := range []string{"db1", "db2"} {
		must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption(name)))
	}
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	must(t, root.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "Query", "Search")))
	must(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption("r1")))
	must(t, root.CreateUser(ctx, milvusclient.NewCreateUserOption("u1", password)))
	must(t, root.GrantRole(ctx, milvusclient.NewGrantRoleOption("u1", "r1")))

	given := []grant{
		{"Global", "*", "*", "ClusterReadOnly"},
		{"Global", "db1", "*", "DatabaseReadWrite"},
		{"Global", "db1", "c1", "g1"},
	}
	for _, g := range given {
		option := milvusclient.NewGrantPrivilegeV2Option("r1", g.privilege, g.objectName).WithDbName(g.database)
		must(t, root.GrantPrivilegeV2(ctx, option))
	}
	equal(t, describeUser(t, root, "u1"), entity.User{UserName: "u1", Roles: []string{"r1"}})
	equal(t, grants(t, root, "r1", "*"), given)

	u1 := s.client(t, "u1")
	alter := func(database string) error {
		return u1.AlterDatabaseProperties(ctx,
			milvusclient.NewAlterDatabasePropertiesOption(database).WithProperty("a", "1"))
	}
	// The collection, and no other one; neither by the request's database nor by the client's.
	permitted(t, search(ctx, u1, "db1", "c1"), "Search")
	denied(t, search(ctx, u1, "db1", "c2"), "Search", "db1")
	denied(t, search(ctx, u1, "db2", "c1"), "Search", "db2")
	denied(t, search(ctx, u1, "", "c1"), "Search", "default")
	must(t, u1.UseDatabase(ctx, milvusclient.NewUseDatabaseOption("db1")))
	permitted(t, search(ctx, u1, "", "c1"), "Search")
	_, err := u1.HasPartition(ctx, milvusclient.NewHasPartitionOption("c1", "p1"))
	denied(t, err, "HasPartition", "db1")
	_, err = u1.Delete(ctx, milvusclient.NewDeleteOption("c1").WithExpr("id == 1"))
	denied(t, err, "Delete", "db1")
	// The database.
	must(t, alter("db1"))
	denied(t, alter("db2"), "AlterDatabase", "db2")
	denied(t, u1.DropCollection(ctx, milvusclient.NewDropCollectionOption("c1")), "DropCollection", "db1")
	// The instance.
	equal(t, roles(t, u1), []string{"admin", "public", "r1"})
	equal(t, databases(t, u1), []string{"db1", "db2", "default"})
	denied(t, u1.CreateRole(ctx, milvusclient.NewCreateRoleOption("r2")), "CreateOwnership", "*")

	// In use.
	if err := root.DropRole(ctx, milvusclient.NewDropRoleOption("r1")); err == nil {
		t.Error("a role was dropped that has privileges")
	}
	if err := root.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("g1")); err == nil {
		t.Error("a group was dropped that a role has")
	}

	// What is revoked ends with the very next call, on the connection that is there.
	for _, g := range given {
		option := milvusclient.NewRevokePrivilegeV2Option("r1", g.privilege, g.objectName).WithDbName(g.database)
		must(t, root.RevokePrivilegeV2(ctx, option))
		switch g.privilege {
		case "ClusterReadOnly":
			_, err := u1.ListRoles(ctx, milvusclient.NewListRoleOption())
			denied(t, err, "SelectOwnership", "*")
			equal(t, databases(t, u1), []string{"db1"})
			must(t, alter("db1"))
		case "DatabaseReadWrite":
			denied(t, alter("db1"), "AlterDatabase", "db1")
			permitted(t, search(ctx, u1, "", "c1"), "Search")
		case "g1":
			denied(t, search(ctx, u1, "", "c1"), "Search", "db1")
		}
	}
	must(t, root.RevokeRole(ctx, milvusclient.NewRevokeRoleOption("u1", "r1")))
	equal(t, describeUser(t, u1, "u1").Roles, []string{})

	must(t, root.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("g1")))
	must(t, root.DropRole(ctx, milvusclient.NewDropRoleOption("r1")))
	must(t, root.DropUser(ctx, milvusclient.NewDropUserOption("u1")))
	_, err = u1.DescribeUser(ctx, milvusclient.NewDescribeUserOption("u1"))
	rpcError(t, err, codes.Unauthenticated, wrongLogin)
	_, err = s.dial(t, login("u1", ""))
	rpcError(t, err, codes.Unauthenticated, wrongLogin)
	equal(t, users(t, root), []string{"root"})
	equal(t, roles(t, root), []string{"admin", "public"})
	equal(t, customGroups(t, root), []privilegeGroup{})
}
