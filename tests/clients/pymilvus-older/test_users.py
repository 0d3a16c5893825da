"""Users: results, their shapes, errors."""

import pytest

from harness import PASSWORD, add_user, refused
from older import described_user


def users(client):
    return list(client.list_users())


def test_at_first_there_is_root(client):
    assert users(client) == ["root"]
    assert client.describe_user("root") == described_user("root")


def test_create(connect, client):
    assert client.create_user("u1", PASSWORD) is None
    assert users(client) == ["root", "u1"]
    assert client.describe_user("u1") == described_user("u1")
    assert connect("u1").describe_user("u1") == described_user("u1")


def test_create_twice(client, u1):
    with refused(1100, "user already exists: u1: invalid parameter", legacy=29):
        client.create_user("u1", "another password")


@pytest.mark.parametrize(
    "name, text",
    [
        ("", "username must be not empty: invalid parameter"),
        ("1u", "invalid user name 1u, the first character must be a letter, but got 1: invalid parameter"),
    ],
)
def test_bad_name(client, name, text):
    with refused(1100, text, legacy=5):
        client.create_user(name, PASSWORD)


@pytest.mark.parametrize("password, length", [("12345", 5), ("x" * 73, 73)])
def test_bad_password(client, u1, password, length):
    text = f"invalid password length: invalid parameter[{length} out of range 6 <= value <= 72]"
    with refused(1100, text, legacy=5):
        client.create_user("u2", password)
    with refused(1100, text, legacy=5):
        client.update_password("u1", PASSWORD, password)


@pytest.mark.parametrize("password", ["x" * 72, "é" * 36, "with:colon:s"])
def test_good_password(connect, client, password):
    client.create_user("u1", password)
    assert connect("u1", password).describe_user("u1") == described_user("u1")


def test_limit(start):
    client = start("--max-users", "2").client()
    client.create_user("u1", PASSWORD)
    with refused(9, containing="the number of users has reached the limit", legacy=29):
        client.create_user("u2", PASSWORD)


def test_drop(client, u1):
    assert client.drop_user("u1") is None
    assert users(client) == ["root"]
    assert client.describe_user("u1") == {}
    # Once more is no error.
    assert client.drop_user("u1") is None


def test_drop_root(client):
    with refused(1401, "root user cannot be deleted: privilege not permitted", legacy=1):
        client.drop_user("root")


def test_update_password(connect, client, u1):
    assert client.update_password("u1", PASSWORD, "new password") is None
    assert connect("u1", "new password").describe_user("u1") == described_user("u1")


@pytest.mark.parametrize("user", ["u1", "root", "nobody"])
def test_update_password_with_a_wrong_one(client, u1, user):
    text = f"old password not correct for {user}: not authenticated"
    with refused(1400, text, legacy=1):
        client.update_password(user, "wrong password", "new password")


def test_roles_of_a_user(client, r1, u1):
    assert client.grant_role("u1", "r1") is None
    assert client.grant_role("u1", "public") is None
    assert client.describe_user("u1") == described_user("u1", "public", "r1")
    # As a collection of roles that is no list.
    assert isinstance(client.describe_user("u1")["roles"], tuple)
    assert client.revoke_role("u1", "public") is None
    assert client.describe_user("u1") == described_user("u1", "r1")


def test_drop_ends_the_bindings(client, r1):
    add_user(client, "u1", "r1")
    client.drop_user("u1")
    client.create_user("u1", PASSWORD)
    assert client.describe_user("u1") == described_user("u1")
