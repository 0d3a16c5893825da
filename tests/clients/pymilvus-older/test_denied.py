"""What a user without privileges meets, and what a granted privilege opens."""

import grpc
import pytest

from harness import PASSWORD, add_user, denied, everything
from older import RELEASE, described_user
from test_denied_client import CALLS as ALL_CALLS

NEW = ("update_user", "alter_role")
CALLS = {name: call for name, call in ALL_CALLS.items() if RELEASE != "2.5" or name not in NEW}


@pytest.fixture
def user(root, connect):
    """u1, who has the role r1; there is another one, u2."""
    root.create_database("db1")
    root.create_role("r1")
    add_user(root, "u1", "r1")
    add_user(root, "u2")
    return connect("u1")


def test_every_call(root, user):
    before = everything(root)
    for call, privilege in CALLS.values():
        with denied(privilege):
            call(user)
    assert everything(root) == before


def test_oneself(user, connect):
    assert user.describe_user("u1") == described_user("u1", "r1")
    user.update_password("u1", PASSWORD, "new password")
    assert connect("u1", "new password").describe_user("u1") == described_user("u1", "r1")


@pytest.mark.parametrize(
    "privilege, call",
    [
        ("SelectOwnership", lambda c: c.list_users()),
        ("SelectOwnership", lambda c: c.list_roles()),
        ("SelectOwnership", lambda c: c.describe_role("admin")),
        ("SelectUser", lambda c: c.describe_user("u2")),
        ("CreateOwnership", lambda c: c.create_role("r2")),
        ("CreateOwnership", lambda c: c.create_user("u3", PASSWORD)),
        ("DropOwnership", lambda c: c.drop_user("u2")),
        ("UpdateUser", lambda c: c.update_password("u2", PASSWORD, "new password")),
        ("ManageOwnership", lambda c: c.grant_role("u2", "r1")),
        ("ManageOwnership", lambda c: c.grant_privilege_v2("r1", "Search", "c1")),
        ("ListPrivilegeGroups", lambda c: c.list_privilege_groups()),
        ("CreatePrivilegeGroup", lambda c: c.create_privilege_group("g1")),
    ],
)
def test_a_grant_opens_and_a_revoke_closes(root, user, privilege, call):
    root.grant_privilege_v2("r1", privilege, "*", db_name="*")
    call(user)
    root.revoke_privilege_v2("r1", privilege, "*", db_name="*")
    with denied(privilege):
        call(user)


def test_a_grant_of_the_first_generation_opens_too(root, user):
    root.grant_privilege("r1", "Global", "SelectOwnership", "*")
    assert list(user.list_users()) == ["root", "u1", "u2"]
    root.revoke_role("u1", "r1")
    with pytest.raises(grpc.RpcError):
        user.list_users()


def test_an_admin_may_all(root, connect):
    add_user(root, "boss", "admin")
    boss = connect("boss")
    boss.create_role("r1")
    boss.grant_privilege_v2("r1", "Search", "c1")
    (entry,) = boss.describe_role("r1")["privileges"]
    assert entry["grantor_name"] == "boss"
