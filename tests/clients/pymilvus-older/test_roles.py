"""Roles: results, their shapes, errors."""

import pytest

from facts import PUBLIC_GRANTS
from harness import add_user, grants, refused
from older import described_role, described_user


def test_at_first_there_are_two(client):
    assert client.list_roles() == ["admin", "public"]
    assert client.describe_role("admin") == described_role("admin")
    assert grants(client, "public") == PUBLIC_GRANTS


def test_create_and_drop(client):
    assert client.create_role("r1") is None
    assert client.list_roles() == ["admin", "public", "r1"]
    assert client.describe_role("r1") == described_role("r1")
    assert client.drop_role("r1") is None
    assert client.list_roles() == ["admin", "public"]


@pytest.mark.parametrize("name", ["r1", "admin"])
def test_create_twice(client, r1, name):
    with refused(1100, f'role [name:"{name}"] already exists: invalid parameter', legacy=35):
        client.create_role(name)


@pytest.mark.parametrize(
    "name, text",
    [
        ("  ", "role name should be not empty: invalid parameter[expected=not empty][actual=]"),
        (
            "1r",
            "the first character of role name must be an underscore or letter: invalid parameter"
            "[expected=95][actual=49]",
        ),
        (
            "r/1",
            "role name can only contain numbers, letters, underscores, and allowed characters ($), "
            "found / at 1: invalid parameter",
        ),
    ],
)
def test_bad_name(client, name, text):
    for call in (
        lambda: client.create_role(name),
        lambda: client.drop_role(name),
        lambda: client.grant_role("root", name),
        lambda: client.revoke_role("root", name),
        lambda: client.grant_privilege(name, "Collection", "Search", "c1"),
        lambda: client.grant_privilege_v2(name, "Search", "c1"),
    ):
        with refused(1100, text, legacy=5):
            call()


@pytest.mark.parametrize("force_drop", [False, True])
@pytest.mark.parametrize("role", ["admin", "public"])
def test_default_roles_stay(client, role, force_drop):
    text = f"the role[{role}] is a default role, which can't be dropped: privilege not permitted"
    with refused(1401, text, legacy=1):
        client.drop_role(role, force_drop=force_drop)


def test_drop_in_use(client, r1):
    client.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
    text = (
        "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to "
        "revoke privileges: invalid parameter"
    )
    with refused(1100, text, legacy=36):
        client.drop_role("r1")
    client.drop_role("r1", force_drop=True)
    assert client.list_roles() == ["admin", "public"]


def test_drop_with_users(client, r1):
    add_user(client, "u1", "r1")
    client.drop_role("r1")
    assert client.describe_user("u1") == described_user("u1")


def test_limit(start):
    client = start("--max-roles", "3").client()
    client.create_role("r1")
    with refused(9, containing="the number of roles has reached the limit", legacy=35):
        client.create_role("r2")
