"""Users by MilvusClient and AsyncMilvusClient: results, their shapes, errors."""

import pytest

from harness import PASSWORD, add_user, refused


def users(client):
    return list(client.list_users())


class TestUsers:
    def test_at_first_there_is_root(self, client):
        assert users(client) == ["root"]
        assert client.describe_user("root") == {"user_name": "root", "roles": (), "description": ""}

    def test_create(self, client):
        assert client.create_user("u1", PASSWORD) is None
        assert users(client) == ["root", "u1"]
        assert client.describe_user("u1") == {"user_name": "u1", "roles": (), "description": ""}

    def test_create_with_description(self, client):
        client.create_user("u1", PASSWORD, description="the first")
        assert client.describe_user("u1")["description"] == "the first"

    def test_list_in_byte_order(self, client):
        names = ["b", "B", "a.b", "a-b", "a_b", "a1", "a"]
        for name in names:
            client.create_user(name, PASSWORD)
        assert users(client) == sorted([*names, "root"])

    def test_surrounding_blanks_are_dropped(self, client):
        client.create_user(" u1\t", PASSWORD)
        assert users(client) == ["root", "u1"]

    def test_create_twice(self, client, u1):
        with refused(1100, "user already exists: u1: invalid parameter", legacy=29) as error:
            client.create_user("u1", "another password")
        assert error.value.is_input_error
        assert not error.value.retriable

    @pytest.mark.parametrize(
        "name, text",
        [
            ("", "username must be not empty: invalid parameter"),
            ("   ", "username must be not empty: invalid parameter"),
            (
                "1u",
                "invalid user name 1u, the first character must be a letter, but got 1: invalid parameter",
            ),
            (
                "_u",
                "invalid user name _u, the first character must be a letter, but got _: invalid parameter",
            ),
        ],
    )
    def test_bad_name(self, client, name, text):
        with refused(1100, text, legacy=5):
            client.create_user(name, PASSWORD)

    @pytest.mark.parametrize("name", ["u$", "u/x", "u:x", "u x", "ü", "uü", "u*"])
    def test_bad_character_in_name(self, client, name):
        with refused(1100, containing=f"invalid user name {name}, ", legacy=5):
            client.create_user(name, PASSWORD)

    def test_longest_name(self, client):
        client.create_user("u" * 32, PASSWORD)
        assert "u" * 32 in users(client)
        name = "u" * 33
        words = f"invalid username {name} with length 33, the length of username must be less than "
        with refused(1100, containing=words, legacy=5):
            client.create_user(name, PASSWORD)

    @pytest.mark.parametrize("password, length", [("", 0), ("12345", 5), ("x" * 73, 73), ("é" * 37, 74)])
    def test_bad_password(self, client, password, length):
        text = f"invalid password length: invalid parameter[{length} out of range 6 <= value <= 72]"
        with refused(1100, text, legacy=5):
            client.create_user("u1", password)

    @pytest.mark.parametrize("password", ["123456", "x" * 72, "é" * 36, "with:colon:s", "\x00\x01 \n\t "])
    def test_good_password(self, server, client, password):
        client.create_user("u1", password)
        assert server.client("u1", password).describe_user("u1")["user_name"] == "u1"

    def test_longest_description(self, client):
        client.create_user("u1", PASSWORD, description="d" * 1024)
        text = (
            "invalid user description with length 1025, the length of user description must be less "
            "than or equal to 1024: invalid parameter"
        )
        with refused(1100, text, legacy=5):
            client.create_user("u2", PASSWORD, description="d" * 1025)
        with refused(1100, text, legacy=5):
            client.update_user("u1", description="d" * 1025)
        assert client.describe_user("u1")["description"] == "d" * 1024

    def test_drop(self, client, u1):
        assert client.drop_user("u1") is None
        assert users(client) == ["root"]
        assert client.describe_user("u1") == {}

    def test_drop_root(self, client):
        text = "root user cannot be deleted: privilege not permitted"
        with refused(1401, text, legacy=1):
            client.drop_user("root")
        assert users(client) == ["root"]

    def test_drop_ends_the_bindings(self, client, r1):
        add_user(client, "u1", "r1")
        client.drop_user("u1")
        client.create_user("u1", PASSWORD)
        assert client.describe_user("u1")["roles"] == ()

    def test_update_password(self, server, client, u1):
        assert client.update_password("u1", PASSWORD, "new password") is None
        assert server.client("u1", "new password").describe_user("u1") != {}

    def test_update_password_to_the_same(self, server, client, u1):
        client.update_password("u1", PASSWORD, PASSWORD)
        assert server.client("u1").describe_user("u1") != {}

    def test_update_password_keeps_the_rest(self, client, r1):
        client.create_user("u1", PASSWORD, description="kept")
        client.grant_role("u1", "r1")
        client.update_password("u1", PASSWORD, "new password")
        assert client.describe_user("u1") == {
            "user_name": "u1",
            "roles": ("r1",),
            "description": "kept",
        }

    def test_update_password_and_description(self, server, client, u1):
        client.update_password("u1", PASSWORD, "new password", description="new")
        assert client.describe_user("u1")["description"] == "new"
        assert server.client("u1", "new password").describe_user("u1") != {}

    @pytest.mark.parametrize("user", ["u1", "root", "nobody"])
    def test_update_password_with_a_wrong_one(self, client, u1, user):
        # Nothing tells whether the user exists, and root has to know the password, too.
        text = f"old password not correct for {user}: not authenticated"
        with refused(1400, text, legacy=1) as error:
            client.update_password(user, "wrong password", "new password")
        assert error.value.is_input_error

    @pytest.mark.parametrize("password, length", [("12345", 5), ("x" * 73, 73)])
    def test_update_password_to_a_bad_one(self, client, u1, password, length):
        text = f"invalid password length: invalid parameter[{length} out of range 6 <= value <= 72]"
        with refused(1100, text, legacy=5):
            client.update_password("u1", PASSWORD, password)

    def test_update_nothing(self, client, u1):
        text = "must update either password or description: invalid parameter"
        with refused(1100, text, legacy=5):
            client.update_password("u1", PASSWORD, "")

    def test_update_description(self, server, client, u1):
        assert client.update_user("u1", description="new") is None
        assert client.describe_user("u1")["description"] == "new"
        assert server.client("u1").describe_user("u1") != {}

    def test_clear_description(self, client):
        client.create_user("u1", PASSWORD, description="old")
        client.update_user("u1", description="")
        assert client.describe_user("u1")["description"] == ""


class TestUserLimit:
    TEXT = "unable to add user because the number of users has reached the limit"

    def test_default(self, root):
        for number in range(99):
            root.create_user(f"u{number}", PASSWORD)
        with refused(9, containing=self.TEXT, legacy=29) as error:
            root.create_user("one_more", PASSWORD)
        assert not error.value.is_input_error
        assert not error.value.retriable
        assert len(root.list_users()) == 100

    def test_configured(self, start):
        client = start("--max-users", "3").client()
        client.create_user("u1", PASSWORD)
        client.create_user("u2", PASSWORD)
        with refused(9, containing=self.TEXT, legacy=29):
            client.create_user("u3", PASSWORD)
        # Existence is looked at before.
        with refused(1100, "user already exists: u2: invalid parameter", legacy=29):
            client.create_user("u2", PASSWORD)
        client.drop_user("u1")
        client.create_user("u3", PASSWORD)
        assert users(client) == ["root", "u2", "u3"]

    def test_none(self, start):
        client = start("--max-users", "0").client()
        for number in range(110):
            client.create_user(f"u{number}", PASSWORD)
        assert len(client.list_users()) == 111
