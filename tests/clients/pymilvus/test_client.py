"""Every access-control method of MilvusClient and AsyncMilvusClient: results, their shapes, errors."""

import re

import pytest
from pymilvus import MilvusClient, MilvusException

from facts import BUILT_IN_GROUPS, GRANT_CHECK, GROUP_CHECK, GROUP_TAKEN, NO_ROLE, PUBLIC_GRANTS
from harness import PASSWORD, ROOT_PASSWORD, add_user, grants, refused


def users(client):
    return list(client.list_users())


@pytest.fixture
def r1(client):
    client.create_role("r1")


@pytest.fixture
def u1(client):
    client.create_user("u1", PASSWORD)


class TestConnection:
    def test_version(self, client):
        assert client.get_server_version() != ""

    def test_detailed_version(self, client):
        detail = client.get_server_version(detail=True)
        assert set(detail) == {"version", "build_time", "git_commit", "go_version", "deploy_mode"}
        assert detail["version"] == client.get_server_version()


def test_clients_that_share_a_connection(server):
    """As pymilvus does it for clients of one address and one login, unless told otherwise."""
    uri = f"http://{server.address}"
    first = MilvusClient(uri, user="root", password=ROOT_PASSWORD)
    first.create_database("db1")
    second = MilvusClient(uri, token=f"root:{ROOT_PASSWORD}", db_name="db1")
    for client in (first, second):
        client.create_role(f"r{client is second:d}")
        client.grant_privilege_v2(f"r{client is second:d}", "Search", "c1")
    assert grants(first, "r0", db_name="*") == [("Collection", "default", "c1", "Search")]
    assert grants(first, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]
    first.close()
    assert second.list_roles() == ["admin", "public", "r0", "r1"]
    second.close()


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


class TestGrants:
    @pytest.fixture(autouse=True)
    def _role(self, r1):
        pass

    def test_grant_and_revoke(self, client):
        assert client.grant_privilege("r1", "Collection", "Search", "c1") is None
        assert client.describe_role("r1")["privileges"] == [
            {
                "object_type": "Collection",
                "object_name": "c1",
                "db_name": "default",
                "role_name": "r1",
                "privilege": "Search",
                "grantor_name": "root",
            }
        ]
        assert client.revoke_privilege("r1", "Collection", "Search", "c1") is None
        assert client.describe_role("r1")["privileges"] == []

    def test_grant_and_revoke_v2(self, client):
        assert client.grant_privilege_v2("r1", "Search", "c1", db_name="db1") is None
        assert client.describe_role("r1", db_name="db1")["privileges"] == [
            {
                "object_type": "Collection",
                "object_name": "c1",
                "db_name": "db1",
                "role_name": "r1",
                "privilege": "Search",
                "grantor_name": "root",
            }
        ]
        assert client.revoke_privilege_v2("r1", "Search", "c1", db_name="db1") is None
        assert client.describe_role("r1", db_name="*")["privileges"] == []

    def test_both_generations_meet(self, client):
        client.grant_privilege("r1", "Collection", "Search", "c1", db_name="db1")
        client.revoke_privilege_v2("r1", "Search", "c1", db_name="db1")
        client.grant_privilege_v2("r1", "CreateCollection", "*", db_name="db1")
        client.revoke_privilege("r1", "Global", "CreateCollection", "*", db_name="db1")
        assert grants(client, "r1", db_name="*") == []

    @pytest.mark.parametrize(
        "privilege, collection, object_type",
        [
            ("Search", "c1", "Collection"),
            ("UpdateUser", "*", "User"),
            ("CreateDatabase", "c1", "Global"),
            ("AddFileResource", "*", "Global"),
            ("All", "*", "Global"),
            ("*", "c1", "Global"),
            ("ReadOnly", "c1", "Collection"),
            ("Admin", "*", "Global"),
            ("CollectionReadOnly", "c1", "Global"),
        ],
    )
    def test_object_type_of_v2(self, client, privilege, collection, object_type):
        client.grant_privilege_v2("r1", privilege, collection, db_name="db1")
        assert grants(client, "r1", db_name="db1") == [(object_type, "db1", collection, privilege)]

    def test_object_of_v1_on_global(self, client):
        client.grant_privilege("r1", "Global", "CreateCollection", "c1")
        client.grant_privilege("r1", "Global", "Admin", "c1")
        assert grants(client, "r1") == [
            ("Global", "default", "*", "CreateCollection"),
            ("Global", "default", "c1", "Admin"),
        ]

    def test_of_the_used_database(self, client):
        client.create_database("db1")
        client.use_database("db1")
        client.grant_privilege("r1", "Collection", "Search", "c1")
        client.grant_privilege_v2("r1", "Query", "c1")
        assert grants(client, "r1") == [
            ("Collection", "db1", "c1", "Query"),
            ("Collection", "db1", "c1", "Search"),
        ]
        client.revoke_privilege_v2("r1", "Search", "c1")
        assert grants(client, "r1", db_name="*") == [("Collection", "db1", "c1", "Query")]

    LOAD = [
        ("Collection", "default", "c1", "GetLoadState"),
        ("Collection", "default", "c1", "GetLoadingProgress"),
        ("Collection", "default", "c1", "Load"),
    ]
    FLUSH = [
        ("Collection", "default", "c1", "Flush"),
        ("Collection", "default", "c1", "GetFlushState"),
    ]

    @pytest.mark.parametrize("privilege, all_of_them", [("Load", LOAD), ("Flush", FLUSH)])
    def test_related_privileges(self, client, privilege, all_of_them):
        client.grant_privilege("r1", "Collection", privilege, "c1")
        assert grants(client, "r1") == all_of_them
        client.revoke_privilege("r1", "Collection", privilege, "c1")
        assert grants(client, "r1") == []
        client.grant_privilege_v2("r1", privilege, "c1")
        assert grants(client, "r1") == all_of_them
        client.revoke_privilege_v2("r1", privilege, "c1")
        assert grants(client, "r1") == []

    def test_the_first_grantor_stays(self, server, client):
        add_user(client, "u1", "admin")
        client.grant_privilege_v2("r1", "Search", "c1")
        u1 = server.client("u1")
        u1.grant_privilege_v2("r1", "Search", "c1")
        u1.grant_privilege_v2("r1", "Query", "c1")
        grantors = {p["privilege"]: p["grantor_name"] for p in client.describe_role("r1")["privileges"]}
        assert grantors == {"Query": "u1", "Search": "root"}

    def test_a_revoke_takes_no_wildcards(self, client):
        client.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
        client.revoke_privilege_v2("r1", "Search", "*", db_name="db1")
        client.revoke_privilege_v2("r1", "*", "c1", db_name="db1")
        client.revoke_privilege("r1", "Collection", "Search", "*", db_name="*")
        assert grants(client, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]

    @pytest.fixture
    def many(self, client):
        for privilege, collection, database in [
            ("Search", "*", "*"),
            ("Search", "c1", "db1"),
            ("Query", "c1", "db1"),
            ("*", "c1", "db1"),
            ("Search", "*", "db1"),
            ("DatabaseReadOnly", "*", "db1"),
            ("Search", "c1", "default"),
            ("UpdateUser", "*", "*"),
            ("Insert", "c0", "db1"),
        ]:
            client.grant_privilege_v2("r1", privilege, collection, db_name=database)

    ON_ALL = [("Collection", "*", "*", "Search")]
    ON_DB1 = [
        ("Collection", "db1", "*", "Search"),
        ("Collection", "db1", "c0", "Insert"),
        ("Collection", "db1", "c1", "Query"),
        ("Collection", "db1", "c1", "Search"),
    ]
    ON_DEFAULT = [("Collection", "default", "c1", "Search")]
    GLOBAL = [
        ("Global", "db1", "*", "DatabaseReadOnly"),
        ("Global", "db1", "c1", "*"),
    ]
    USER = [("User", "*", "*", "UpdateUser")]

    @pytest.mark.parametrize(
        "filter, listed",
        [
            ("*", ON_ALL + ON_DB1 + ON_DEFAULT + GLOBAL + USER),
            ("db1", ON_ALL + ON_DB1 + GLOBAL + USER),
            ("", ON_ALL + ON_DEFAULT + USER),
            ("default", ON_ALL + ON_DEFAULT + USER),
            ("db2", ON_ALL + USER),
        ],
    )
    def test_what_is_listed_in_which_order(self, client, many, filter, listed):
        assert grants(client, "r1", db_name=filter) == listed

    @pytest.mark.parametrize("role", ["admin", "public"])
    def test_default_roles_take_grants(self, client, role):
        before = grants(client, role, db_name="*")
        client.grant_privilege_v2(role, "Search", "c1", db_name="db1")
        assert ("Collection", "db1", "c1", "Search") in grants(client, role, db_name="*")
        client.revoke_privilege_v2(role, "Search", "c1", db_name="db1")
        assert grants(client, role, db_name="*") == before


class TestGrantErrors:
    @pytest.fixture(autouse=True)
    def _role(self, r1):
        pass

    @pytest.mark.parametrize(
        "object_type, privilege",
        [
            ("Collection", "Nonsense"),
            ("Collection", "PrivilegeSearch"),
            ("Collection", "search"),
            ("Collection", "CreateCollection"),
            ("Collection", "GroupReadOnly"),
            ("Global", "Search"),
            ("Global", "UpdateUser"),
            ("Global", "AddFileResource"),
            ("User", "Search"),
        ],
    )
    @pytest.mark.parametrize("operation", ["grant_privilege", "revoke_privilege"])
    def test_unknown_privilege(self, client, operation, object_type, privilege):
        text = f"not found the privilege name[{privilege}] in object[{object_type}]: invalid parameter"
        with refused(1100, text, legacy=41) as error:
            getattr(client, operation)("r1", object_type, privilege, "c1")
        assert error.value.is_input_error

    @pytest.mark.parametrize("privilege", ["Nonsense", "PrivilegeSearch", "search"])
    @pytest.mark.parametrize("operation", ["grant_privilege_v2", "revoke_privilege_v2"])
    def test_unknown_privilege_v2(self, client, operation, privilege):
        text = f"not found the privilege name[{privilege}]: invalid parameter"
        with refused(1100, text, legacy=41):
            getattr(client, operation)("r1", privilege, "c1")

    @pytest.mark.parametrize("operation", ["grant_privilege", "revoke_privilege"])
    def test_groups_need_v2(self, client, operation):
        client.create_privilege_group("g1")
        text = "can not operate the custom privilege group [g1]: invalid parameter"
        with refused(1100, text, legacy=41):
            getattr(client, operation)("r1", "Collection", "g1", "c1")
        text = "can not operate the built-in privilege group [CollectionAdmin]: invalid parameter"
        with refused(1100, text, legacy=41):
            getattr(client, operation)("r1", "Collection", "CollectionAdmin", "c1")

    def test_unknown_object_type(self, client):
        text = f"{GRANT_CHECK}the object entity in the request is nil or invalid: invalid parameter"
        with refused(1100, text, legacy=41):
            client.grant_privilege("r1", "Database", "Search", "c1")

    @pytest.mark.parametrize(
        "object_type, privilege, object_name, text",
        [
            (
                "Collection",
                "1Search",
                "c1",
                "the first character of Privilege must be an underscore or letter: invalid parameter"
                "[expected=95][actual=49]",
            ),
            (
                "1Collection",
                "Search",
                "c1",
                "the first character of ObjectType must be an underscore or letter: invalid parameter"
                "[expected=95][actual=49]",
            ),
            (
                "*",
                "Search",
                "c1",
                "the first character of ObjectType must be an underscore or letter: invalid parameter"
                "[expected=95][actual=42]",
            ),
            (
                "Collection",
                "Search",
                "c.1",
                "object name can only contain numbers, letters, underscores, and allowed characters "
                "($), found . at 1: invalid parameter",
            ),
            (
                "Collection",
                "Search",
                "abc*",
                "object name can only contain numbers, letters, underscores, and allowed characters "
                "($), found * at 3: invalid parameter",
            ),
        ],
    )
    def test_bad_names(self, client, object_type, privilege, object_name, text):
        with refused(1100, text, legacy=5):
            client.grant_privilege("r1", object_type, privilege, object_name)

    def test_bad_collection_name_v2(self, client):
        text = (
            "collection name can only contain numbers, letters, underscores, and allowed characters "
            "($), found . at 1: invalid parameter"
        )
        with refused(1100, text, legacy=5):
            client.grant_privilege_v2("r1", "Search", "c.1")

    @pytest.mark.parametrize(
        "database, text",
        [
            ("1db", "the first character of a database name must be an underscore or letter: {}"),
            ("a-b", "database name can only contain numbers, letters and underscores: {}"),
            ("a*", "database name can only contain numbers, letters and underscores: {}"),
        ],
    )
    def test_bad_database_name_v2(self, client, database, text):
        with refused(802, text.format(f"invalid database name[database={database}]"), legacy=1) as error:
            client.grant_privilege_v2("r1", "Search", "c1", db_name=database)
        assert error.value.is_input_error

    def test_long_database_name_v2(self, client):
        words = "the length of a database name must be less than 255 characters: invalid database name"
        with refused(802, containing=words, legacy=1):
            client.grant_privilege_v2("r1", "Search", "c1", db_name="d" * 256)

    @pytest.mark.parametrize(
        "group, collection, database, text",
        [
            (
                "ClusterReadOnly",
                "*",
                "default",
                "dbName and collectionName should be * for the cluster level privilege: {}",
            ),
            (
                "ClusterReadOnly",
                "c1",
                "*",
                "dbName and collectionName should be * for the cluster level privilege: {}",
            ),
            (
                "DatabaseReadOnly",
                "c1",
                "db1",
                "collectionName should be * for the database level privilege: {}",
            ),
            (
                "CollectionReadOnly",
                "c1",
                "*",
                "please specify database name for the collection level privilege: {}",
            ),
        ],
    )
    @pytest.mark.parametrize("operation", ["grant_privilege_v2", "revoke_privilege_v2"])
    def test_level_of_a_group(self, client, operation, group, collection, database, text):
        with refused(1100, text.format(group) + ": invalid parameter", legacy=41):
            getattr(client, operation)("r1", group, collection, db_name=database)

    def test_level_of_a_custom_group(self, client):
        client.create_privilege_group("g1")
        # Empty, it has no level.
        client.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
        client.add_privileges_to_group("g1", ["CreateDatabase"])
        text = "dbName and collectionName should be * for the cluster level privilege: g1: invalid parameter"
        with refused(1100, text, legacy=41):
            client.grant_privilege_v2("r1", "g1", "c2", db_name="db1")

    def test_a_group_of_groups_has_no_level(self, client):
        client.create_privilege_group("g1")
        client.add_privileges_to_group("g1", ["All"])
        with refused(1100, "not found the privilege level: invalid parameter", legacy=41):
            client.grant_privilege_v2("r1", "g1", "*", db_name="*")

    def test_single_privileges_have_no_level(self, client):
        client.grant_privilege_v2("r1", "CreateDatabase", "c1", db_name="db1")
        assert grants(client, "r1", db_name="db1") == [("Global", "db1", "c1", "CreateDatabase")]

    def test_expr_can_only_be_revoked(self, client):
        with refused(1100, containing="Expr", legacy=41):
            client.grant_privilege_v2("r1", "Expr", "*", db_name="*")
        client.revoke_privilege_v2("r1", "Expr", "*", db_name="*")


def groups(client):
    return {g["privilege_group"]: sorted(g["privileges"]) for g in client.list_privilege_groups()}


class TestPrivilegeGroups:
    @pytest.fixture
    def g1(self, client):
        client.create_privilege_group("g1")

    def test_the_built_in_ones(self, client):
        listed = [
            (group["privilege_group"], list(group["privileges"])) for group in client.list_privilege_groups()
        ]
        assert listed == list(BUILT_IN_GROUPS.items())

    def test_create_and_drop(self, client):
        assert client.create_privilege_group("g1") is None
        assert groups(client)["g1"] == []
        assert client.drop_privilege_group("g1") is None
        assert "g1" not in groups(client)

    def test_custom_ones_come_first_in_byte_order(self, client):
        for name in ("b", "B", "_a", "a"):
            client.create_privilege_group(name)
        listed = [group["privilege_group"] for group in client.list_privilege_groups()]
        assert listed == ["B", "_a", "a", "b", *BUILT_IN_GROUPS]

    def test_add_and_remove(self, client, g1):
        assert client.add_privileges_to_group("g1", ["Search", "Query"]) is None
        assert groups(client)["g1"] == ["Query", "Search"]
        client.add_privileges_to_group("g1", ["Insert"])
        assert groups(client)["g1"] == ["Insert", "Query", "Search"]
        assert client.remove_privileges_from_group("g1", ["Query", "Search"]) is None
        assert groups(client)["g1"] == ["Insert"]
        client.remove_privileges_from_group("g1", ["Insert"])
        assert groups(client)["g1"] == []

    def test_groups_in_a_group(self, client, g1):
        client.create_privilege_group("g2")
        client.add_privileges_to_group("g1", ["g2", "ClusterReadOnly", "ReadOnly", "All"])
        assert groups(client)["g1"] == ["All", "ClusterReadOnly", "ReadOnly", "g2"]

    def test_a_role_shows_its_name(self, client, g1, r1):
        client.add_privileges_to_group("g1", ["Search", "Query"])
        client.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
        assert grants(client, "r1", db_name="db1") == [("Global", "db1", "c1", "g1")]
        client.add_privileges_to_group("g1", ["Insert"])
        assert grants(client, "r1", db_name="db1") == [("Global", "db1", "c1", "g1")]

    def test_create_twice(self, client, g1):
        text = (
            "failed to check if privilege group creatable: privilege group name [g1] is defined by "
            "users: invalid parameter"
        )
        with refused(1100, text, legacy=58):
            client.create_privilege_group("g1")

    @pytest.mark.parametrize("name", ["Search", "ClusterAdmin", "ReadOnly", "GroupReadOnly", "All"])
    def test_create_with_a_known_name(self, client, name):
        with refused(1100, GROUP_TAKEN.format(name), legacy=58):
            client.create_privilege_group(name)

    @pytest.mark.parametrize(
        "name, words",
        [
            ("1g", "1g: invalid privilege group name[privilegeGroup=the first character of "),
            (" g", " g: invalid privilege group name[privilegeGroup=the first character of "),
            ("*", "*: invalid privilege group name[privilegeGroup=the first character of "),
            ("g" * 256, "->255: invalid privilege group name[privilegeGroup=the length of "),
        ],
        ids=["digit", "blank", "any", "long"],
    )
    def test_bad_name(self, client, name, words):
        for call in (
            lambda: client.create_privilege_group(name),
            lambda: client.drop_privilege_group(name),
            lambda: client.add_privileges_to_group(name, ["Search"]),
        ):
            with refused(1402, containing=words, legacy=1) as error:
                call()
            assert error.value.is_input_error

    def test_bad_character_in_name(self, client):
        text = "privilege group name g$1 can only contain numbers, letters and underscores: invalid parameter"
        with refused(1100, text, legacy=5):
            client.create_privilege_group("g$1")

    def test_drop_in_use(self, client, g1):
        for role in ("r2", "r1"):
            client.create_role(role)
            client.grant_privilege_v2(role, "g1", "*")
        text = (
            "failed to check if privilege group dropable: privilege group [g1] is used by role [r1], "
            "Use REVOKE API to revoke it first: invalid parameter"
        )
        with refused(1100, text, legacy=59):
            client.drop_privilege_group("g1")
        for role in ("r1", "r2"):
            client.revoke_privilege_v2(role, "g1", "*")
        client.drop_privilege_group("g1")
        assert "g1" not in groups(client)

    def test_drop_a_member_of_a_group(self, client, g1):
        client.create_privilege_group("g2")
        client.add_privileges_to_group("g1", ["g2"])
        client.drop_privilege_group("g2")
        assert "g2" not in groups(client)

    def test_drop_a_built_in_one_does_nothing(self, client):
        client.drop_privilege_group("ClusterAdmin")
        assert list(groups(client)) == list(BUILT_IN_GROUPS)

    @pytest.mark.parametrize("privilege", ["Nonsense", "PrivilegeSearch", "*"])
    @pytest.mark.parametrize("operation", ["add_privileges_to_group", "remove_privileges_from_group"])
    def test_unknown_member(self, client, g1, operation, privilege):
        text = (
            f"{GROUP_CHECK}there is no privilege name or privilege group name [{privilege}] defined in "
            "system to operate: invalid parameter"
        )
        with refused(1100, text, legacy=61):
            getattr(client, operation)("g1", ["Search", privilege])
        assert groups(client)["g1"] == []

    def test_bad_member_name(self, client, g1):
        text = (
            "the first character of Privilege must be an underscore or letter: invalid parameter"
            "[expected=95][actual=49]"
        )
        with refused(1100, text, legacy=5):
            client.add_privileges_to_group("g1", ["1Search"])

    @pytest.mark.parametrize(
        "members",
        [
            ["Search", "CreateCollection"],
            ["Search", "CreateDatabase"],
            ["CreateCollection", "CreateDatabase"],
            ["Search", "All"],
            ["Search", "CollectionReadOnly"],
        ],
    )
    def test_members_of_several_levels(self, client, g1, members):
        text = f"{GROUP_CHECK}privileges are not the same privilege level: invalid parameter"
        with refused(1100, text, legacy=61):
            client.add_privileges_to_group("g1", members)
        client.add_privileges_to_group("g1", members[:1])
        with refused(1100, text, legacy=61):
            client.add_privileges_to_group("g1", members[1:])
        assert groups(client)["g1"] == members[:1]

    @pytest.mark.parametrize("group", ["nope", "ClusterAdmin"])
    @pytest.mark.parametrize("operation", ["add_privileges_to_group", "remove_privileges_from_group"])
    def test_no_such_group(self, client, operation, group):
        text = (
            f"{GROUP_CHECK}there is no privilege group name [{group}] defined in system to operate: "
            "invalid parameter"
        )
        with refused(1100, text, legacy=61):
            getattr(client, operation)(group, ["Search"])


# What happens when something is there already or not at all: the call and its error, if it has one.
IDEMPOTENCY = {
    "create_user, there": (
        lambda c: c.create_user("u1", PASSWORD),
        (1100, 29, "user already exists: u1: invalid parameter"),
    ),
    "update_password, missing": (
        lambda c: c.update_password("nobody", PASSWORD, PASSWORD),
        (1400, 1, "old password not correct for nobody: not authenticated"),
    ),
    "update_user, missing": (
        lambda c: c.update_user("nobody", description="d"),
        (65535, 30, "failed to check if update credential: user not found"),
    ),
    "drop_user, missing": (lambda c: c.drop_user("nobody"), None),
    "create_role, there": (
        lambda c: c.create_role("r1"),
        (1100, 35, 'role [name:"r1"] already exists: invalid parameter'),
    ),
    "alter_role, missing": (lambda c: c.alter_role("nope", "d"), (65535, 1, "role not exists")),
    "drop_role, missing": (lambda c: c.drop_role("nope"), (1100, 36, NO_ROLE)),
    "drop_role forced, missing": (lambda c: c.drop_role("nope", force_drop=True), (1100, 36, NO_ROLE)),
    "grant_role, there": (lambda c: c.grant_role("u1", "r1"), None),
    "grant_role, missing role": (lambda c: c.grant_role("u1", "nope"), (1100, 37, NO_ROLE)),
    "grant_role, missing user": (
        lambda c: c.grant_role("nobody", "r1"),
        (1100, 37, 'failed to check if operate user role: user "nobody" not found: invalid parameter'),
    ),
    "revoke_role, missing binding": (lambda c: c.revoke_role("root", "r1"), None),
    "revoke_role, missing role": (lambda c: c.revoke_role("u1", "nope"), (1100, 37, NO_ROLE)),
    "revoke_role, missing user": (lambda c: c.revoke_role("nobody", "r1"), None),
    "describe_user, missing": (lambda c: c.describe_user("nobody"), None),
    "describe_role, missing": (
        lambda c: c.describe_role("nope"),
        (1100, 42, 'the role "nope" does not exist: invalid parameter'),
    ),
    "grant_privilege, there": (lambda c: c.grant_privilege("r1", "Collection", "Search", "c1"), None),
    "grant_privilege, missing role": (
        lambda c: c.grant_privilege("nope", "Collection", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "revoke_privilege, missing": (
        lambda c: c.revoke_privilege("r1", "Collection", "Search", "c2"),
        None,
    ),
    "revoke_privilege, missing role": (
        lambda c: c.revoke_privilege("nope", "Collection", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "grant_privilege_v2, there": (lambda c: c.grant_privilege_v2("r1", "Search", "c1"), None),
    "grant_privilege_v2, missing role": (
        lambda c: c.grant_privilege_v2("nope", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "revoke_privilege_v2, missing": (lambda c: c.revoke_privilege_v2("r1", "Search", "c2"), None),
    "revoke_privilege_v2, missing role": (
        lambda c: c.revoke_privilege_v2("nope", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "create_privilege_group, there": (
        lambda c: c.create_privilege_group("g1"),
        (
            1100,
            58,
            "failed to check if privilege group creatable: privilege group name [g1] is defined by "
            "users: invalid parameter",
        ),
    ),
    "drop_privilege_group, missing": (lambda c: c.drop_privilege_group("nope"), None),
    "add_privileges_to_group, there": (lambda c: c.add_privileges_to_group("g1", ["Search"]), None),
    "add_privileges_to_group, missing group": (
        lambda c: c.add_privileges_to_group("nope", ["Search"]),
        (
            1100,
            61,
            f"{GROUP_CHECK}there is no privilege group name [nope] defined in system to operate: "
            "invalid parameter",
        ),
    ),
    "remove_privileges_from_group, missing": (
        lambda c: c.remove_privileges_from_group("g1", ["Query"]),
        None,
    ),
    "remove_privileges_from_group, missing group": (
        lambda c: c.remove_privileges_from_group("nope", ["Search"]),
        (
            1100,
            61,
            f"{GROUP_CHECK}there is no privilege group name [nope] defined in system to operate: "
            "invalid parameter",
        ),
    ),
}


@pytest.mark.parametrize("case", IDEMPOTENCY)
def test_idempotency(client, r1, case):
    client.create_privilege_group("g1")
    client.add_privileges_to_group("g1", ["Search"])
    client.grant_privilege_v2("r1", "Search", "c1")
    add_user(client, "u1", "r1")

    def state():
        return (
            {user: client.describe_user(user) for user in client.list_users()},
            {role: client.describe_role(role, db_name="*") for role in client.list_roles()},
            groups(client),
        )

    before = state()
    call, error = IDEMPOTENCY[case]
    if error is None:
        assert not call(client)
    else:
        code, legacy, text = error
        with refused(code, containing=text, legacy=legacy) as caught:
            call(client)
        if case != "alter_role, missing":
            assert caught.value.message == text
    assert state() == before


class TestDatabases:
    def test_at_first_there_is_default(self, client):
        assert client.list_databases() == ["default"]
        assert client.describe_database("default")["name"] == "default"

    def test_create_and_drop(self, client):
        assert client.create_database("db1") is None
        assert sorted(client.list_databases()) == ["db1", "default"]
        assert client.drop_database("db1") is None
        assert client.list_databases() == ["default"]

    def test_properties(self, client):
        client.create_database("db1", properties={"a": "1", "b": 2})
        assert client.describe_database("db1") == {"name": "db1", "a": "1", "b": "2"}
        client.alter_database_properties("db1", {"b": "3", "c": "4"})
        client.drop_database_properties("db1", ["a"])
        assert client.describe_database("db1") == {"name": "db1", "b": "3", "c": "4"}

    def test_create_twice(self, client):
        client.create_database("db1")
        with refused(1100, containing="already exist"):
            client.create_database("db1")

    @pytest.mark.parametrize("name", ["1db", "a-b", "a/b", "*"])
    def test_bad_name(self, client, name):
        with refused(802, containing=f"invalid database name[database={name}]"):
            client.create_database(name)

    def test_default_stays(self, client):
        with pytest.raises(MilvusException, match="default database"):
            client.drop_database("default")
        assert client.list_databases() == ["default"]

    @pytest.mark.parametrize(
        "call",
        [
            lambda c: c.describe_database("nope"),
            lambda c: c.use_database("nope"),
            lambda c: c.alter_database_properties("nope", {"a": "1"}),
        ],
        ids=["describe", "use", "alter"],
    )
    def test_missing(self, client, call):
        with refused(800, containing="database not found[database=nope]"):
            call(client)

    def test_use(self, client):
        client.create_database("db1")
        client.use_database("db1")
        assert sorted(client.list_databases()) == ["db1", "default"]
