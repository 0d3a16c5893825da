"""BackupRBAC and RestoreRBAC."""

from harness import add_user
from messages import operate_v1


def fill(root):
    root.create_role("r1", description="the first")
    root.create_role("r2")
    add_user(root, "u1", "r1", "admin")
    add_user(root, "u2")
    root.create_privilege_group("g1")
    root.add_privileges_to_group("g1", ["Search", "Query"])
    root.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
    root.grant_privilege_v2("r1", "Search", "*", db_name="*")
    root.grant_privilege_v2("r1", "*", "c1")
    root.grant_privilege_v2("public", "Query", "c1")


def test_what_it_holds(wire, root):
    fill(root)
    meta = wire.ok("BackupRBAC").RBAC_meta
    assert [(u.user, [r.name for r in u.roles]) for u in meta.users] == [
        ("u1", ["admin", "r1"]),
        ("u2", []),
    ]
    assert all(user.password.startswith("$2") for user in meta.users)
    assert [(role.name, role.description) for role in meta.roles] == [
        ("r1", "the first"),
        ("r2", ""),
    ]
    assert [
        (g.role.name, g.object.name, g.db_name, g.object_name, g.grantor.privilege.name) for g in meta.grants
    ] == [
        ("r1", "Collection", "*", "*", "Search"),
        ("r1", "Global", "db1", "c1", "g1"),
        ("r1", "Global", "default", "c1", "*"),
    ]
    (group,) = meta.privilege_groups
    assert group.group_name == "g1"
    assert sorted(p.name for p in group.privileges) == ["Query", "Search"]


def test_restored_elsewhere(start):
    source, target = start(), start()
    fill(source.client())
    backup = source.wire().ok("BackupRBAC").RBAC_meta
    target.wire().ok("RestoreRBAC", RBAC_meta=backup)
    assert target.wire().ok("BackupRBAC").RBAC_meta == backup
    # Passwords go along, and rights.
    assert sorted(target.client("u1").list_users()) == ["root", "u1", "u2"]
    status = target.wire().call("RestoreRBAC", RBAC_meta=backup).status
    assert (status.code, status.error_code) == (1100, 41)
    assert "role [r1] already exists" in status.reason


def test_all_or_nothing(wire, root):
    before = wire.call("BackupRBAC")
    status = wire.call(
        "RestoreRBAC",
        RBAC_meta={
            "roles": [{"name": "r1"}],
            "privilege_groups": [{"group_name": "g1", "privileges": [{"name": "Search"}]}],
            "grants": [operate_v1()["entity"]],
            "users": [{"user": "root"}],
        },
    ).status
    assert "user [root] already exists" in status.reason
    after = wire.call("BackupRBAC")
    assert (after.message, after.revision) == (before.message, before.revision)
