"""What a user without privileges reads in pymilvus."""

import grpc
import pytest

from harness import PASSWORD, denied, everything

CALLS = {
    "create_user": (lambda c: c.create_user("u3", PASSWORD), "CreateOwnership"),
    "drop_user": (lambda c: c.drop_user("u2"), "DropOwnership"),
    "update_password": (lambda c: c.update_password("u2", PASSWORD, "new one"), "UpdateUser"),
    "update_user": (lambda c: c.update_user("u2", description="d"), "UpdateUser"),
    "list_users": (lambda c: c.list_users(), "SelectOwnership"),
    "describe_user": (lambda c: c.describe_user("u2"), "SelectUser"),
    "create_role": (lambda c: c.create_role("r9"), "CreateOwnership"),
    "alter_role": (lambda c: c.alter_role("r1", "d"), "CreateOwnership"),
    "drop_role": (lambda c: c.drop_role("r1"), "DropOwnership"),
    "list_roles": (lambda c: c.list_roles(), "SelectOwnership"),
    "describe_role": (lambda c: c.describe_role("admin"), "SelectOwnership"),
    "grant_role": (lambda c: c.grant_role("u1", "admin"), "ManageOwnership"),
    "revoke_role": (lambda c: c.revoke_role("u1", "r1"), "ManageOwnership"),
    "grant_privilege": (
        lambda c: c.grant_privilege("r1", "Global", "All", "*"),
        "ManageOwnership",
    ),
    "revoke_privilege": (
        lambda c: c.revoke_privilege("r1", "Global", "All", "*"),
        "ManageOwnership",
    ),
    "grant_privilege_v2": (lambda c: c.grant_privilege_v2("r1", "All", "*"), "ManageOwnership"),
    "revoke_privilege_v2": (lambda c: c.revoke_privilege_v2("r1", "All", "*"), "ManageOwnership"),
    "create_privilege_group": (lambda c: c.create_privilege_group("g9"), "CreatePrivilegeGroup"),
    "drop_privilege_group": (lambda c: c.drop_privilege_group("g9"), "DropPrivilegeGroup"),
    "list_privilege_groups": (lambda c: c.list_privilege_groups(), "ListPrivilegeGroups"),
    "add_privileges_to_group": (
        lambda c: c.add_privileges_to_group("g9", ["Search"]),
        "OperatePrivilegeGroup",
    ),
    "remove_privileges_from_group": (
        lambda c: c.remove_privileges_from_group("g9", ["Search"]),
        "OperatePrivilegeGroup",
    ),
    "create_database": (lambda c: c.create_database("db9"), "CreateDatabase"),
    "drop_database": (lambda c: c.drop_database("db1"), "DropDatabase"),
}


@pytest.fixture(params=["MilvusClient", "AsyncMilvusClient"])
def u1(request, server, prepared):
    return server.client("u1") if request.param == "MilvusClient" else server.async_client("u1")


def test_on_the_instance(u1):
    for call, privilege in CALLS.values():
        with denied(privilege):
            call(u1)


def test_on_a_database(u1):
    with denied("DescribeDatabase", database="db1"):
        u1.describe_database("db1")
    with denied("DescribeDatabase", database="db1"):
        u1.use_database("db1")
    with denied("AlterDatabase", database="db1"):
        u1.alter_database_properties("db1", {"a": "1"})


def test_changes_nothing(root, u1):
    before = everything(root)
    for call, _ in CALLS.values():
        with pytest.raises(grpc.RpcError):
            call(u1)
    assert everything(root) == before
