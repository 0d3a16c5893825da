package rbac

import (
	"context"
	"fmt"
	"testing"

	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

// The Go examples of privilege_group.md, as written, but for the variables that they take for granted.
func TestPrivilegeGroupsAsDocumented(t *testing.T) {
	covers(t, "CreatePrivilegeGroup", "AddPrivilegesToGroup", "RemovePrivilegesFromGroup", "ListPrivilegeGroups",
		"DropPrivilegeGroup")
	ctx, _, client := setUp(t)
	var err error

	err = client.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("privilege_group_1"))
	if err != nil {
		fmt.Println(err.Error())
		// handle error
		t.Fatal(err)
	}

	privileges := []string{"Query", "Search"}
	err = client.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("privilege_group_1", privileges...))
	if err != nil {
		fmt.Println(err.Error())
		// handle error
		t.Fatal(err)
	}
	equal(t, customGroups(t, client), []privilegeGroup{{"privilege_group_1", []string{"Query", "Search"}}})

	err = client.RemovePrivilegesFromGroup(ctx, milvusclient.NewRemovePrivilegesFromGroupOption("privilege_group_1", []string{"Search"}...))
	if err != nil {
		fmt.Println(err.Error())
		// handle error
		t.Fatal(err)
	}

	groups, err := client.ListPrivilegeGroups(ctx, milvusclient.NewListPrivilegeGroupsOption())
	if err != nil {
		fmt.Println(err.Error())
		// handle error
		t.Fatal(err)
	}
	equal(t, *groups[0], entity.PrivilegeGroup{GroupName: "privilege_group_1", Privileges: []string{"Query"}})

	err = client.DropPrivilegeGroup(ctx, milvusclient.NewDropPrivilegeGroupOption("privilege_group_1"))
	if err != nil {
		fmt.Println(err.Error())
		// handle error
		t.Fatal(err)
	}
	equal(t, customGroups(t, client), []privilegeGroup{})
}

// The Go examples of grant_privileges.md. The page still has the names of the module before this one: there
// a database is an option, here it is WithDbName; the page's last but one line misspells the group.
func TestGrantsAsDocumented(t *testing.T) {
	covers(t, "GrantPrivilegeV2", "RevokePrivilegeV2", "ListRoles", "DescribeRole")
	_, _, client := setUp(t)
	must(t, client.CreateRole(context.Background(), milvusclient.NewCreateRoleOption("role_a")))
	must(t, client.CreatePrivilegeGroup(context.Background(), milvusclient.NewCreatePrivilegeGroupOption("privilege_group_1")))
	must(t, client.AddPrivilegesToGroup(context.Background(), milvusclient.NewAddPrivilegesToGroupOption("privilege_group_1", "Query", "Search")))

	must(t, client.GrantPrivilegeV2(context.Background(), milvusclient.NewGrantPrivilegeV2Option("role_a", "Search", "collection_01").WithDbName("default")))
	must(t, client.GrantPrivilegeV2(context.Background(), milvusclient.NewGrantPrivilegeV2Option("role_a", "privilege_group_1", "collection_01").WithDbName("default")))
	must(t, client.GrantPrivilegeV2(context.Background(), milvusclient.NewGrantPrivilegeV2Option("role_a", "ClusterReadOnly", "*").WithDbName("*")))

	roles, err := client.ListRoles(context.Background(), milvusclient.NewListRoleOption())
	must(t, err)
	equal(t, roles, []string{"admin", "public", "role_a"})
	role, err := client.DescribeRole(context.Background(), milvusclient.NewDescribeRoleOption("role_a"))
	must(t, err)
	equal(t, *role, entity.Role{RoleName: "role_a", Privileges: []entity.GrantItem{
		{Object: "Collection", ObjectName: "collection_01", RoleName: "role_a", Grantor: "root", Privilege: "Search", DbName: "default"},
		{Object: "Global", ObjectName: "*", RoleName: "role_a", Grantor: "root", Privilege: "ClusterReadOnly", DbName: "*"},
		{Object: "Global", ObjectName: "collection_01", RoleName: "role_a", Grantor: "root", Privilege: "privilege_group_1", DbName: "default"},
	}})

	must(t, client.RevokePrivilegeV2(context.Background(), milvusclient.NewRevokePrivilegeV2Option("role_a", "Search", "collection_01").WithDbName("default")))
	must(t, client.RevokePrivilegeV2(context.Background(), milvusclient.NewRevokePrivilegeV2Option("role_a", "privilege_group_1", "collection_01").WithDbName("default")))
	must(t, client.RevokePrivilegeV2(context.Background(), milvusclient.NewRevokePrivilegeV2Option("role_a", "ClusterReadOnly", "*").WithDbName("*")))
	equal(t, grants(t, client, "role_a", "*"), []grant{})
}

// The same under the page's own names, which the module still has, with options of its own.
func TestGrantsUnderTheirDocumentedNames(t *testing.T) {
	covers(t, "GrantV2", "RevokeV2")
	ctx, _, client := setUp(t)
	must(t, client.CreateRole(ctx, milvusclient.NewCreateRoleOption("role_a")))
	must(t, client.GrantV2(ctx, milvusclient.NewGrantV2Option("role_a", "Search", "default", "collection_01")))
	must(t, client.GrantV2(ctx, milvusclient.NewGrantV2Option("role_a", "ClusterReadOnly", "*", "*")))
	equal(t, grants(t, client, "role_a", ""), []grant{
		{"Collection", "default", "collection_01", "Search"},
		{"Global", "*", "*", "ClusterReadOnly"},
	})
	must(t, client.RevokeV2(ctx, milvusclient.NewRevokeV2Option("role_a", "Search", "default", "collection_01")))
	must(t, client.RevokeV2(ctx, milvusclient.NewRevokeV2Option("role_a", "ClusterReadOnly", "*", "*")))
	equal(t, grants(t, client, "role_a", "*"), []grant{})
}

// describe_role.md has no Go example; this is its role.
func TestDescribeRoleAsDocumented(t *testing.T) {
	covers(t, "GrantPrivilege", "DescribeRole")
	ctx, _, client := setUp(t)
	must(t, client.CreateRole(ctx, milvusclient.NewCreateRoleOption("db_ro")))
	for _, name := range []string{"Load", "IndexDetail", "Query", "Search"} {
		must(t, client.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("db_ro", "Collection", name, "*")))
	}
	for _, name := range []string{"DescribeCollection", "ListDatabases", "ShowCollections"} {
		must(t, client.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("db_ro", "Global", name, "*")))
	}
	equal(t, grants(t, client, "db_ro", ""), []grant{
		{"Collection", "default", "*", "GetLoadState"},
		{"Collection", "default", "*", "GetLoadingProgress"},
		{"Collection", "default", "*", "IndexDetail"},
		{"Collection", "default", "*", "Load"},
		{"Collection", "default", "*", "Query"},
		{"Collection", "default", "*", "Search"},
		{"Global", "default", "*", "DescribeCollection"},
		{"Global", "default", "*", "ListDatabases"},
		{"Global", "default", "*", "ShowCollections"},
	})
}
