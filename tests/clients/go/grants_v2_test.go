package rbac

import (
	"testing"

	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

func TestGrantAndRevokePrivilegeV2(t *testing.T) {
	covers(t, "GrantPrivilegeV2", "RevokePrivilegeV2", "DescribeRole")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	given := []grant{
		{"Collection", "*", "*", "Query"},
		{"Collection", "db1", "c1", "Search"},
		{"Global", "*", "*", "ClusterAdmin"},
		{"Global", "db1", "*", "DatabaseAdmin"},
		{"Global", "db1", "c1", "CollectionAdmin"},
		{"Global", "default", "c1", "*"},
		{"Global", "default", "c1", "g1"},
	}
	for _, g := range given {
		option := milvusclient.NewGrantPrivilegeV2Option("r1", g.privilege, g.objectName)
		if g.database != "default" {
			option = option.WithDbName(g.database)
		}
		must(t, root.GrantPrivilegeV2(ctx, option))
		must(t, root.GrantPrivilegeV2(ctx, option))
	}
	equal(t, grants(t, root, "r1", "*"), given)
	for _, g := range given {
		option := milvusclient.NewRevokePrivilegeV2Option("r1", g.privilege, g.objectName).WithDbName(g.database)
		must(t, root.RevokePrivilegeV2(ctx, option))
		must(t, root.RevokePrivilegeV2(ctx, option))
	}
	equal(t, grants(t, root, "r1", "*"), []grant{})
}

// The names that the client keeps for older programs, with their order of arguments.
func TestGrantV2AndRevokeV2(t *testing.T) {
	covers(t, "GrantV2", "RevokeV2")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.GrantV2(ctx, milvusclient.NewGrantV2Option("r1", "Search", "db1", "c1")))
	equal(t, grants(t, root, "r1", "*"), []grant{{"Collection", "db1", "c1", "Search"}})
	must(t, root.RevokeV2(ctx, milvusclient.NewRevokeV2Option("r1", "Search", "db1", "c1")))
	equal(t, grants(t, root, "r1", "*"), []grant{})
}

func TestRevokeMatchesExactly(t *testing.T) {
	covers(t, "RevokePrivilegeV2")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "Search", "c1")))
	must(t, root.RevokePrivilegeV2(ctx, milvusclient.NewRevokePrivilegeV2Option("r1", "Search", "*")))
	must(t, root.RevokePrivilegeV2(ctx, milvusclient.NewRevokePrivilegeV2Option("r1", "*", "c1")))
	must(t, root.RevokePrivilegeV2(ctx, milvusclient.NewRevokePrivilegeV2Option("r1", "Search", "c1").WithDbName("*")))
	equal(t, grants(t, root, "r1", "*"), []grant{{"Collection", "default", "c1", "Search"}})
}

func TestGrantPrivilegeV2Refused(t *testing.T) {
	covers(t, "GrantPrivilegeV2", "RevokePrivilegeV2", "GrantV2", "RevokeV2")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1", "r1")
	for name, c := range map[string]struct {
		role, privilege, database, collection string
		code                                  int32
		text                                  string
	}{
		"missing role": {
			"nope", "Search", "", "c1", 1100,
			`failed to operate privilege common check: the role "nope" does not exist: invalid parameter`,
		},
		"unknown privilege": {
			"r1", "Nope", "", "c1", 1100, "not found the privilege name[Nope]: invalid parameter",
		},
		"no privilege": {
			"r1", "", "", "c1", 1100,
			"Privilege should be not empty: invalid parameter[expected=not empty][actual=]",
		},
		"no collection": {
			"r1", "Search", "", "", 1100,
			"collection name should be not empty: invalid parameter[expected=not empty][actual=]",
		},
		"database with a hyphen": {
			"r1", "Search", "a-b", "c1", 802,
			"database name can only contain numbers, letters and underscores: invalid database name[database=a-b]",
		},
		"instance, on a database": {
			"r1", "ClusterReadOnly", "db1", "*", 1100,
			"dbName and collectionName should be * for the cluster level privilege: ClusterReadOnly: invalid parameter",
		},
		"database, on a collection": {
			"r1", "DatabaseReadOnly", "db1", "c1", 1100,
			"collectionName should be * for the database level privilege: DatabaseReadOnly: invalid parameter",
		},
		"collection, on all databases": {
			"r1", "CollectionReadOnly", "*", "c1", 1100,
			"please specify database name for the collection level privilege: CollectionReadOnly: invalid parameter",
		},
	} {
		t.Run(name, func(t *testing.T) {
			grant := milvusclient.NewGrantV2Option(c.role, c.privilege, c.database, c.collection)
			refused(t, root.GrantPrivilegeV2(ctx, grant), c.code, c.text)
			refused(t, root.GrantV2(ctx, grant), c.code, c.text)
			revoke := milvusclient.NewRevokeV2Option(c.role, c.privilege, c.database, c.collection)
			refused(t, root.RevokePrivilegeV2(ctx, revoke), c.code, c.text)
			refused(t, root.RevokeV2(ctx, revoke), c.code, c.text)
		})
	}
	equal(t, grants(t, root, "r1", "*"), []grant{})
}
