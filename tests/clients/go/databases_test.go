package rbac

import (
	"slices"
	"testing"

	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

// databases lists them in byte order.
func databases(t *testing.T, client *milvusclient.Client) []string {
	t.Helper()
	names, err := client.ListDatabase(call(t), milvusclient.NewListDatabaseOption())
	must(t, err)
	slices.Sort(names)
	return names
}

func describeDatabase(t *testing.T, client *milvusclient.Client, name string) entity.Database {
	t.Helper()
	database, err := client.DescribeDatabase(call(t), milvusclient.NewDescribeDatabaseOption(name))
	must(t, err)
	return *database
}

func TestDatabases(t *testing.T) {
	covers(t, "CreateDatabase", "DropDatabase", "ListDatabase", "DescribeDatabase")
	ctx, _, root := setUp(t)
	equal(t, databases(t, root), []string{"default"})
	must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1")))
	equal(t, databases(t, root), []string{"db1", "default"})
	equal(t, describeDatabase(t, root, "db1"), entity.Database{Name: "db1", Properties: map[string]string{}})
	equal(t, describeDatabase(t, root, "default").Name, "default")
	must(t, root.DropDatabase(ctx, milvusclient.NewDropDatabaseOption("db1")))
	equal(t, databases(t, root), []string{"default"})
}

func TestDatabaseProperties(t *testing.T) {
	covers(t, "CreateDatabase", "AlterDatabaseProperties", "DropDatabaseProperties", "DescribeDatabase")
	ctx, _, root := setUp(t)
	must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1").WithProperty("a", 1).WithProperty("b", "2")))
	equal(t, describeDatabase(t, root, "db1").Properties, map[string]string{"a": "1", "b": "2"})
	must(t, root.AlterDatabaseProperties(ctx,
		milvusclient.NewAlterDatabasePropertiesOption("db1").WithProperty("b", 3).WithProperty("c", true)))
	must(t, root.DropDatabaseProperties(ctx, milvusclient.NewDropDatabasePropertiesOption("db1", "a", "nope")))
	equal(t, describeDatabase(t, root, "db1").Properties, map[string]string{"b": "3", "c": "true"})
}

func TestDatabasesRefused(t *testing.T) {
	covers(t, "CreateDatabase", "DropDatabase", "DescribeDatabase", "AlterDatabaseProperties",
		"DropDatabaseProperties", "UseDatabase")
	ctx, _, root := setUp(t)
	must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1")))
	err := root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1"))
	refused(t, err, 1100, "database already exist: db1: invalid parameter")
	err = root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("a-b"))
	refused(t, err, 802,
		"database name can only contain numbers, letters and underscores: invalid database name[database=a-b]")
	err = root.DropDatabase(ctx, milvusclient.NewDropDatabaseOption("default"))
	refused(t, err, 1100, "can not drop default database: invalid parameter")

	const missing = "database not found[database=nope]"
	_, err = root.DescribeDatabase(ctx, milvusclient.NewDescribeDatabaseOption("nope"))
	failed(t, err, 800, missing)
	err = root.AlterDatabaseProperties(ctx, milvusclient.NewAlterDatabasePropertiesOption("nope").WithProperty("a", 1))
	failed(t, err, 800, missing)
	err = root.DropDatabaseProperties(ctx, milvusclient.NewDropDatabasePropertiesOption("nope", "a"))
	failed(t, err, 800, missing)
	err = root.UseDatabase(ctx, milvusclient.NewUseDatabaseOption("nope"))
	failed(t, err, 800, missing)
	equal(t, databases(t, root), []string{"db1", "default"})
}

func TestUseDatabase(t *testing.T) {
	covers(t, "UseDatabase", "GrantPrivilege")
	ctx, _, root := setUp(t)
	must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption("db1")))
	must(t, root.CreateRole(ctx, milvusclient.NewCreateRoleOption("r1")))
	must(t, root.UseDatabase(ctx, milvusclient.NewUseDatabaseOption("db1")))
	must(t, root.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("r1", "Collection", "Search", "c1")))
	must(t, root.UseDatabase(ctx, milvusclient.NewUseDatabaseOption("default")))
	must(t, root.GrantPrivilege(ctx, milvusclient.NewGrantPrivilegeOption("r1", "Collection", "Query", "c1")))
	equal(t, grants(t, root, "r1", "*"), []grant{
		{"Collection", "db1", "c1", "Search"},
		{"Collection", "default", "c1", "Query"},
	})
}

func TestVisibleDatabases(t *testing.T) {
	covers(t, "ListDatabase", "DescribeDatabase")
	ctx, s, root := setUp(t)
	addUser(t, root, "u1", "r1")
	for _, name := range []string{"db1", "db2"} {
		must(t, root.CreateDatabase(ctx, milvusclient.NewCreateDatabaseOption(name)))
	}
	u1 := s.client(t, "u1")
	equal(t, databases(t, u1), nil)
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "DatabaseReadOnly", "*").WithDbName("db1")))
	equal(t, databases(t, u1), []string{"db1"})
	equal(t, describeDatabase(t, u1, "db1").Name, "db1")
	_, err := u1.DescribeDatabase(ctx, milvusclient.NewDescribeDatabaseOption("db2"))
	denied(t, err, "DescribeDatabase", "db2")
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "ClusterReadOnly", "*").WithDbName("*")))
	equal(t, databases(t, u1), []string{"db1", "db2", "default"})
}
