"""Roles and who has them, by MilvusClient and AsyncMilvusClient: results, their shapes, errors."""

import re

import pytest

from facts import PUBLIC_GRANTS
from harness import add_user, grants, refused


class TestRoles:
    def test_at_first_there_are_two(self, client):
        assert client.list_roles() == ["admin", "public"]
        assert client.describe_role("admin") == {"role": "admin", "description": "", "privileges": []}

    def test_public_holds_three_privileges(self, client):
        assert grants(client, "public") == PUBLIC_GRANTS
        privileges = client.describe_role("public")["privileges"]
        assert {p["grantor_name"] for p in privileges} == {"root"}

    def test_create(self, client):
        assert client.create_role("r1") is None
        assert client.list_roles() == ["admin", "public", "r1"]
        assert client.describe_role("r1") == {"role": "r1", "description": "", "privileges": []}

    def test_create_with_description(self, client):
        client.create_role("r1", description="the first")
        assert client.describe_role("r1")["description"] == "the first"

    def test_list_in_byte_order(self, client):
        names = ["b", "B", "a$b", "a_b", "_a", "a"]
        for name in names:
            client.create_role(name)
        assert client.list_roles() == sorted([*names, "admin", "public"])

    @pytest.mark.parametrize("name", ["r1", "admin", "public"])
    def test_create_twice(self, client, r1, name):
        with refused(1100, f'role [name:"{name}"] already exists: invalid parameter', legacy=35):
            client.create_role(name)

    def test_create_twice_with_description(self, client, r1):
        with refused(1100, legacy=35) as error:
            client.create_role("r1", description="d")
        assert re.fullmatch(
            r'role \[name:"r1" {1,2}description:"d"\] already exists: invalid parameter',
            error.value.message,
        )

    BAD_NAMES = [
        ("  ", "role name should be not empty: invalid parameter[expected=not empty][actual=]"),
        (
            "r" * 256,
            "the length of role name must be not greater than limit: invalid parameter"
            "[256 out of range 0 <= value <= 255]",
        ),
        (
            "1r",
            "the first character of role name must be an underscore or letter: invalid parameter"
            "[expected=95][actual=49]",
        ),
        (
            "*",
            "the first character of role name must be an underscore or letter: invalid parameter"
            "[expected=95][actual=42]",
        ),
        (
            "r/1",
            "role name can only contain numbers, letters, underscores, and allowed characters ($), "
            "found / at 1: invalid parameter",
        ),
        (
            "role.1",
            "role name can only contain numbers, letters, underscores, and allowed characters ($), "
            "found . at 4: invalid parameter",
        ),
    ]

    @pytest.mark.parametrize("name, text", BAD_NAMES, ids=["blank", "long", "digit", "any", "slash", "dot"])
    def test_bad_name(self, client, name, text):
        for call in (
            lambda: client.create_role(name),
            lambda: client.alter_role(name, "d"),
            lambda: client.drop_role(name),
            lambda: client.grant_role("root", name),
            lambda: client.revoke_role("root", name),
            lambda: client.describe_role(name),
            lambda: client.grant_privilege(name, "Collection", "Search", "c1"),
            lambda: client.grant_privilege_v2(name, "Search", "c1"),
        ):
            with refused(1100, text, legacy=5):
                call()

    def test_longest_name(self, client):
        client.create_role("r" * 255)
        assert "r" * 255 in client.list_roles()

    def test_longest_description(self, client):
        client.create_role("r1", description="d" * 1024)
        text = (
            "the length of role description must be not greater than limit: invalid parameter"
            "[1025 out of range 0 <= value <= 1024]"
        )
        with refused(1100, text, legacy=5):
            client.create_role("r2", description="d" * 1025)
        with refused(1100, text, legacy=5):
            client.alter_role("r1", "d" * 1025)
        assert client.describe_role("r1")["description"] == "d" * 1024

    def test_alter(self, client, r1):
        assert client.alter_role("r1", "new") is None
        assert client.describe_role("r1")["description"] == "new"
        client.alter_role("r1", "")
        assert client.describe_role("r1")["description"] == ""

    def test_alter_keeps_the_rest(self, client, r1):
        client.grant_privilege_v2("r1", "Search", "c1")
        add_user(client, "u1", "r1")
        client.alter_role("r1", "new")
        assert grants(client, "r1") == [("Collection", "default", "c1", "Search")]
        assert client.describe_user("u1")["roles"] == ("r1",)

    @pytest.mark.parametrize("role", ["admin", "public"])
    def test_default_roles_stay(self, client, role):
        text = f"the role[{role}] is a default role, which can't be {{}}: privilege not permitted"
        with refused(1401, text.format("altered"), legacy=1):
            client.alter_role(role, "d")
        with refused(1401, text.format("dropped"), legacy=1):
            client.drop_role(role)
        with refused(1401, text.format("dropped"), legacy=1):
            client.drop_role(role, force_drop=True)
        assert client.list_roles() == ["admin", "public"]

    def test_drop(self, client, r1):
        assert client.drop_role("r1") is None
        assert client.list_roles() == ["admin", "public"]

    def test_drop_in_use(self, client, r1):
        client.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
        text = (
            "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE "
            "API to revoke privileges: invalid parameter"
        )
        with refused(1100, text, legacy=36):
            client.drop_role("r1")
        client.drop_role("r1", force_drop=True)
        assert client.list_roles() == ["admin", "public"]
        client.create_role("r1")
        assert grants(client, "r1", db_name="*") == []

    def test_drop_with_users(self, client, r1):
        add_user(client, "u1", "r1")
        client.drop_role("r1")
        assert client.describe_user("u1")["roles"] == ()
        client.create_role("r1")
        assert client.describe_user("u1")["roles"] == ()


class TestRoleLimit:
    TEXT = "unable to create role because the number of roles has reached the limit"

    def test_default(self, root):
        for number in range(8):
            root.create_role(f"r{number}")
        with refused(9, containing=self.TEXT, legacy=35) as error:
            root.create_role("one_more")
        assert not error.value.is_input_error
        assert len(root.list_roles()) == 10

    def test_configured(self, start):
        client = start("--max-roles", "3").client()
        client.create_role("r1")
        with refused(9, containing=self.TEXT, legacy=35):
            client.create_role("r2")
        with refused(1100, 'role [name:"r1"] already exists: invalid parameter', legacy=35):
            client.create_role("r1")
        client.drop_role("r1")
        client.create_role("r2")
        assert client.list_roles() == ["admin", "public", "r2"]

    def test_none(self, start):
        client = start("--max-roles", "0").client()
        for number in range(40):
            client.create_role(f"r{number}")
        assert len(client.list_roles()) == 42


class TestBindings:
    def test_grant_and_revoke(self, client, r1, u1):
        assert client.grant_role("u1", "r1") is None
        assert client.describe_user("u1")["roles"] == ("r1",)
        assert client.revoke_role("u1", "r1") is None
        assert client.describe_user("u1")["roles"] == ()

    def test_roles_in_byte_order(self, client, u1):
        client.create_role("b")
        client.create_role("B")
        for role in ("public", "b", "admin", "B"):
            client.grant_role("u1", role)
        assert client.describe_user("u1")["roles"] == ("B", "admin", "b", "public")

    def test_root_may_be_bound(self, client):
        client.grant_role("root", "admin")
        assert client.describe_user("root")["roles"] == ("admin",)
        client.revoke_role("root", "admin")
        assert client.describe_user("root")["roles"] == ()

    @pytest.mark.parametrize("operation", ["grant_role", "revoke_role"])
    def test_bad_user_name(self, client, r1, operation):
        with refused(1100, containing="invalid user name u/1, ", legacy=5):
            getattr(client, operation)("u/1", "r1")
