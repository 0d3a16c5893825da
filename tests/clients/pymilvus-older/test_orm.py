"""The older interface of pymilvus: connections, utility, Role, db."""

import time
import uuid

import grpc
import pytest
from pymilvus import MilvusException, Role, connections, db, utility

from facts import BUILT_IN_GROUPS, GROUP_CHECK, NO_ROLE
from harness import PASSWORD, ROOT_PASSWORD, denied, not_logged_in, refused
from older import RELEASE


class Connection:
    """A named connection, and the functions of pymilvus that take its name."""

    def __init__(self, server, user="root", password=ROOT_PASSWORD, **options):
        self.alias = uuid.uuid4().hex
        host, port = server.address.rsplit(":", 1)
        connections.connect(self.alias, host=host, port=port, user=user, password=password, **options)

    def __getattr__(self, name):
        function = getattr(utility, name, None) or getattr(db, name)
        return lambda *args, **kwargs: function(*args, using=self.alias, **kwargs)

    def role(self, name):
        return Role(name, using=self.alias)

    def close(self):
        connections.remove_connection(self.alias)


@pytest.fixture
def connect(server):
    opened = []

    def connect(*args, **kwargs):
        opened.append(Connection(server, *args, **kwargs))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def orm(connect):
    return connect()


@pytest.fixture
def r1(orm):
    role = orm.role("r1")
    role.create()
    return role


@pytest.fixture
def u1(orm):
    orm.create_user("u1", PASSWORD)


def test_connect_by_uri_and_token(server):
    connections.connect("by uri", uri=f"http://{server.address}", token=f"root:{ROOT_PASSWORD}")
    assert connections.has_connection("by uri")
    assert list(utility.list_usernames(using="by uri")) == ["root"]
    connections.remove_connection("by uri")


def test_connect_with_a_wrong_password(connect):
    started = time.monotonic()
    with pytest.raises((grpc.RpcError, MilvusException)) as caught:
        connect(password="wrong password")
    assert time.monotonic() - started < 5
    if RELEASE == "2.5":
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    else:
        assert caught.value.code == 2


def test_authorization_off(start):
    server = start("--authorization", "off")
    for user, password in [("", ""), ("nobody", "wrong password")]:
        connection = Connection(server, user, password)
        role = connection.role(f"r_{user}")
        role.create()
        role.grant("Collection", "c1", "Search")
        assert len(role.list_grants().groups) == 1
        connection.close()


def test_database_of_the_connection(server, connect):
    """2.5 sends it with every call; later it does not reach the calls of roles."""
    server.client().create_database("db1")
    orm = connect(db_name="db1")
    role = orm.role("r1")
    role.create()
    role.grant("Collection", "c1", "Insert")
    databases = [g.db_name for g in role.list_grants(db_name="*").groups]
    assert databases == ["db1" if RELEASE == "2.5" else "default"]


class TestUsers:
    def test_create_list_delete(self, orm):
        assert orm.create_user("u1", PASSWORD) is None
        assert list(orm.list_usernames()) == ["root", "u1"]
        assert orm.delete_user("u1") is None
        assert list(orm.list_usernames()) == ["root"]

    def test_create_twice(self, orm, u1):
        with refused(1100, "user already exists: u1: invalid parameter", legacy=29):
            orm.create_user("u1", PASSWORD)

    def test_delete_root(self, orm):
        with refused(1401, "root user cannot be deleted: privilege not permitted", legacy=1):
            orm.delete_user("root")

    def test_list_users(self, orm, u1, r1):
        r1.add_user("u1")
        listed = [(u.username, u.roles) for u in orm.list_users(True).groups]
        assert listed == [("root", ()), ("u1", ("r1",))]
        listed = [(u.username, u.roles) for u in orm.list_users(False).groups]
        assert listed == [("root", ()), ("u1", ())]

    def test_list_user(self, orm, u1, r1):
        r1.add_user("u1")
        (user,) = orm.list_user("u1", True).groups
        assert (user.username, user.roles) == ("u1", ("r1",))
        (user,) = orm.list_user("u1", False).groups
        assert (user.username, user.roles) == ("u1", ())
        assert list(orm.list_user("nobody", True).groups) == []

    def test_update_password(self, connect, orm, u1):
        assert orm.update_password("u1", PASSWORD, "new password") is None
        assert connect("u1", "new password").list_user("u1", False).groups[0].username == "u1"

    def test_reset_password(self, connect, u1):
        user = connect("u1", PASSWORD)
        user.reset_password("u1", PASSWORD, "new password")
        # The connection goes on with the new password, and a new one takes it, too.
        assert user.list_user("u1", False).groups[0].username == "u1"
        assert connect("u1", "new password").list_user("u1", False).groups[0].username == "u1"

    @pytest.mark.parametrize("function", ["update_password", "reset_password"])
    def test_change_with_a_wrong_password(self, orm, function):
        with refused(1400, "old password not correct for root: not authenticated", legacy=1):
            getattr(orm, function)("root", "wrong password", "new password")
        assert list(orm.list_usernames()) == ["root"]

    def test_a_password_that_is_changed_ends_the_connection(self, connect, orm, u1):
        user = connect("u1", PASSWORD)
        orm.update_password("u1", PASSWORD, "new password")
        with not_logged_in():
            user.list_user("u1", False)


class TestRoles:
    def test_create_and_drop(self, orm):
        role = orm.role("r1")
        assert role.name == "r1"
        assert not role.is_exist()
        assert role.create() is None
        assert role.is_exist()
        assert role.drop() is None
        assert not role.is_exist()

    def test_create_twice(self, r1):
        with refused(1100, 'role [name:"r1"] already exists: invalid parameter', legacy=35):
            r1.create()

    def test_drop_missing(self, orm):
        with refused(1100, NO_ROLE, legacy=36):
            orm.role("nope").drop()

    def test_users(self, orm, r1, u1):
        orm.create_user("u0", PASSWORD)
        assert list(r1.get_users()) == []
        assert r1.add_user("u1") is None
        r1.add_user("u0")
        assert r1.get_users() == ("u0", "u1")
        assert r1.remove_user("u0") is None
        assert r1.get_users() == ("u1",)
        assert list(orm.role("nope").get_users()) == []

    def test_add_missing(self, orm, r1):
        text = 'failed to check if operate user role: user "nobody" not found: invalid parameter'
        with refused(1100, text, legacy=37):
            r1.add_user("nobody")
        for operation in ("add_user", "remove_user"):
            with refused(1100, NO_ROLE, legacy=37):
                getattr(orm.role("nope"), operation)("root")

    def test_list_roles(self, orm, r1, u1):
        r1.add_user("u1")
        listed = [(r.role_name, r.users) for r in orm.list_roles(True).groups]
        assert listed == [("admin", ()), ("public", ()), ("r1", ("u1",))]
        listed = [(r.role_name, r.users) for r in orm.list_roles(False).groups]
        assert listed == [("admin", ()), ("public", ()), ("r1", ())]


def items(info):
    return [
        (g.object, g.db_name, g.object_name, g.role_name, g.privilege, g.grantor_name) for g in info.groups
    ]


class TestGrants:
    def test_grant_and_revoke(self, r1):
        assert r1.grant("Collection", "c1", "Insert") is None
        assert items(r1.list_grants()) == [("Collection", "default", "c1", "r1", "Insert", "root")]
        assert r1.revoke("Collection", "c1", "Insert") is None
        assert items(r1.list_grants()) == []

    def test_grant_and_revoke_v2(self, r1):
        assert r1.grant_v2("DatabaseReadOnly", "*", db_name="db1") is None
        assert items(r1.list_grants(db_name="db1")) == [
            ("Global", "db1", "*", "r1", "DatabaseReadOnly", "root")
        ]
        assert r1.revoke_v2("DatabaseReadOnly", "*", db_name="db1") is None
        assert items(r1.list_grants(db_name="*")) == []

    def test_list_grant_matches_literally(self, r1):
        r1.grant("Collection", "c1", "Insert", db_name="db1")
        r1.grant("Collection", "*", "Search", db_name="db1")
        assert items(r1.list_grant("Collection", "c1", db_name="db1")) == [
            ("Collection", "db1", "c1", "r1", "Insert", "root")
        ]
        assert items(r1.list_grant("Global", "c1", db_name="db1")) == []

    def test_of_a_missing_role(self, orm):
        role = orm.role("nope")
        with refused(1100, 'the role "nope" does not exist: invalid parameter', legacy=42):
            role.list_grants()
        with refused(1100, 'the role "nope" does not exist: invalid parameter', legacy=42):
            role.list_grant("Collection", "c1")
        for call in (
            lambda: role.grant("Collection", "c1", "Insert"),
            lambda: role.revoke("Collection", "c1", "Insert"),
            lambda: role.grant_v2("Insert", "c1"),
            lambda: role.revoke_v2("Insert", "c1"),
        ):
            with refused(1100, containing='the role "nope" does not exist: invalid parameter', legacy=41):
                call()

    def test_unknown_privilege(self, r1):
        text = "not found the privilege name[Nonsense] in object[Collection]: invalid parameter"
        with refused(1100, text, legacy=41):
            r1.grant("Collection", "c1", "Nonsense")
        with refused(1100, "not found the privilege name[Nonsense]: invalid parameter", legacy=41):
            r1.grant_v2("Nonsense", "c1")


class TestPrivilegeGroups:
    def test_create_fill_empty_drop(self, r1):
        assert r1.create_privilege_group("g1") is None
        assert r1.add_privileges_to_group("g1", ["Insert", "Release"]) is None
        first, *others = r1.list_privilege_groups().groups
        assert (first.privilege_group, sorted(first.privileges)) == ("g1", ["Insert", "Release"])
        assert [g.privilege_group for g in others] == list(BUILT_IN_GROUPS)
        assert r1.remove_privileges_from_group("g1", ["Insert"]) is None
        assert r1.list_privilege_groups().groups[0].privileges == ("Release",)
        assert r1.drop_privilege_group("g1") is None
        assert len(r1.list_privilege_groups().groups) == 9

    def test_missing(self, r1):
        text = (
            f"{GROUP_CHECK}there is no privilege group name [g1] defined in system to operate: "
            "invalid parameter"
        )
        for operation in ("add_privileges_to_group", "remove_privileges_from_group"):
            with refused(1100, text, legacy=61):
                getattr(r1, operation)("g1", ["Insert"])


def test_a_user_without_privileges(connect, u1):
    user = connect("u1", PASSWORD)
    role = user.role("r2")
    for call, privilege in [
        (lambda: user.list_usernames(), "SelectOwnership"),
        (lambda: user.list_roles(True), "SelectOwnership"),
        (lambda: user.list_users(True), "SelectUser"),
        (lambda: user.list_user("root", True), "SelectUser"),
        (lambda: user.create_user("u2", PASSWORD), "CreateOwnership"),
        (lambda: user.delete_user("u1"), "DropOwnership"),
        (lambda: user.update_password("root", PASSWORD, PASSWORD), "UpdateUser"),
        (lambda: role.create(), "CreateOwnership"),
        (lambda: role.drop(), "DropOwnership"),
        (lambda: role.is_exist(), "SelectOwnership"),
        (lambda: role.get_users(), "SelectOwnership"),
        (lambda: role.add_user("u1"), "ManageOwnership"),
        (lambda: role.remove_user("u1"), "ManageOwnership"),
        (lambda: role.grant("Collection", "c1", "Insert"), "ManageOwnership"),
        (lambda: role.revoke("Collection", "c1", "Insert"), "ManageOwnership"),
        (lambda: role.grant_v2("Insert", "c1"), "ManageOwnership"),
        (lambda: role.revoke_v2("Insert", "c1"), "ManageOwnership"),
        (lambda: role.list_grants(), "SelectOwnership"),
        (lambda: role.list_grant("Collection", "c1"), "SelectOwnership"),
        (lambda: role.create_privilege_group("g1"), "CreatePrivilegeGroup"),
        (lambda: role.drop_privilege_group("g1"), "DropPrivilegeGroup"),
        (lambda: role.list_privilege_groups(), "ListPrivilegeGroups"),
        (lambda: role.add_privileges_to_group("g1", ["Insert"]), "OperatePrivilegeGroup"),
        (lambda: role.remove_privileges_from_group("g1", ["Insert"]), "OperatePrivilegeGroup"),
    ]:
        with denied(privilege):
            call()


def test_databases(orm):
    orm.create_database("db1", properties={"a": "1"})
    orm.using_database("db1")
    assert sorted(orm.list_database()) == ["db1", "default"]
    orm.set_properties("db1", {"a": "2"})
    assert orm.describe_database("db1") == {"name": "db1", "a": "2"}
    orm.using_database("default")
    orm.drop_database("db1")
    assert orm.list_database() == ["default"]


def test_version(orm):
    assert orm.get_server_version() != ""


def test_there_are_no_collections(orm):
    assert orm.list_collections() == []
