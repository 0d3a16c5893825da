package rbac

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/milvus-io/milvus/client/v2/entity"
	"github.com/milvus-io/milvus/client/v2/milvusclient"
)

func fill(t *testing.T, root *milvusclient.Client) {
	t.Helper()
	ctx := call(t)
	addUser(t, root, "u1", "r1", "admin")
	addUser(t, root, "u2")
	must(t, root.CreatePrivilegeGroup(ctx, milvusclient.NewCreatePrivilegeGroupOption("g1")))
	must(t, root.AddPrivilegesToGroup(ctx, milvusclient.NewAddPrivilegesToGroupOption("g1", "Search", "Query")))
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "g1", "c1").WithDbName("db1")))
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "Search", "*").WithDbName("*")))
	must(t, root.GrantPrivilegeV2(ctx, milvusclient.NewGrantPrivilegeV2Option("r1", "*", "c1")))
}

func backup(t *testing.T, ctx context.Context, client *milvusclient.Client) entity.RBACMeta {
	t.Helper()
	meta, err := client.BackupRBAC(ctx, milvusclient.NewBackupRBACOption())
	must(t, err)
	for _, group := range meta.PrivilegeGroups {
		slices.Sort(group.Privileges)
	}
	return *meta
}

func TestBackupOfNothing(t *testing.T) {
	covers(t, "BackupRBAC", "RestoreRBAC")
	ctx, _, root := setUp(t)
	meta := backup(t, ctx, root)
	equal(t, meta, entity.RBACMeta{
		Users: []*entity.UserInfo{}, Roles: []*entity.Role{},
		RoleGrants: []*entity.RoleGrants{}, PrivilegeGroups: []*entity.PrivilegeGroup{},
	})
	must(t, root.RestoreRBAC(ctx, milvusclient.NewRestoreRBACOption(&meta)))
}

func TestBackup(t *testing.T) {
	covers(t, "BackupRBAC")
	ctx, _, root := setUp(t)
	fill(t, root)
	meta := backup(t, ctx, root)
	equal(t, len(meta.Users), 2)
	equal(t, meta.Users[0].UserDescription, entity.UserDescription{Name: "u1", Roles: []string{"admin", "r1"}})
	equal(t, meta.Users[1].UserDescription, entity.UserDescription{Name: "u2", Roles: []string{}})
	for _, user := range meta.Users {
		if !strings.HasPrefix(user.Password, "$2") {
			t.Errorf("%s is no hash", user.Password)
		}
	}
	equal(t, len(meta.Roles), 1)
	equal(t, meta.Roles[0].RoleName, "r1")
	var held []entity.RoleGrants
	for _, grant := range meta.RoleGrants {
		held = append(held, *grant)
	}
	equal(t, held, []entity.RoleGrants{
		{Object: "Collection", ObjectName: "*", RoleName: "r1", GrantorName: "root", PrivilegeName: "Search", DbName: "*"},
		{Object: "Global", ObjectName: "c1", RoleName: "r1", GrantorName: "root", PrivilegeName: "g1", DbName: "db1"},
		{Object: "Global", ObjectName: "c1", RoleName: "r1", GrantorName: "root", PrivilegeName: "*", DbName: "default"},
	})
	equal(t, len(meta.PrivilegeGroups), 1)
	equal(t, *meta.PrivilegeGroups[0], entity.PrivilegeGroup{GroupName: "g1", Privileges: []string{"Query", "Search"}})
}

func TestRestore(t *testing.T) {
	covers(t, "BackupRBAC", "RestoreRBAC")
	ctx, _, source := setUp(t)
	fill(t, source)
	meta := backup(t, ctx, source)
	s := start(t)
	target := s.client(t, "root")
	must(t, target.RestoreRBAC(ctx, milvusclient.NewRestoreRBACOption(&meta)))
	equal(t, backup(t, ctx, target), meta)
	// Passwords go along, and rights.
	equal(t, users(t, s.client(t, "u1")), []string{"root", "u1", "u2"})

	err := target.RestoreRBAC(ctx, milvusclient.NewRestoreRBACOption(&meta))
	refused(t, err, 1100, "failed to check if rbac restorable: role [r1] already exists: invalid parameter")
}

func TestRestoreIsAllOrNothing(t *testing.T) {
	covers(t, "RestoreRBAC")
	ctx, _, root := setUp(t)
	addUser(t, root, "u1")
	before := backup(t, ctx, root)
	for text, meta := range map[string]entity.RBACMeta{
		"user [u1] already exists": {
			Roles: []*entity.Role{{RoleName: "r1"}},
			Users: []*entity.UserInfo{{UserDescription: before.Users[0].UserDescription, Password: before.Users[0].Password}},
		},
		"privilege [Nope] does not exist": {
			Roles: []*entity.Role{{RoleName: "r1"}},
			RoleGrants: []*entity.RoleGrants{{
				Object: "Global", ObjectName: "*", RoleName: "r1", GrantorName: "root", PrivilegeName: "Nope", DbName: "default",
			}},
		},
		"role [r2] does not exist": {
			Roles: []*entity.Role{{RoleName: "r1"}},
			Users: []*entity.UserInfo{{
				UserDescription: entity.UserDescription{Name: "u2", Roles: []string{"r2"}},
				Password:        before.Users[0].Password,
			}},
		},
	} {
		err := root.RestoreRBAC(ctx, milvusclient.NewRestoreRBACOption(&meta))
		refused(t, err, 1100, "failed to check if rbac restorable: "+text+": invalid parameter")
		equal(t, backup(t, ctx, root), before)
	}
}
