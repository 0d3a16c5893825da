"""The older interface of pymilvus: connections, utility, Role, db."""

import uuid

import pytest
from pymilvus import MilvusException, Role, connections, db, utility

from facts import BUILT_IN_GROUPS, NO_ROLE
from harness import PASSWORD, ROOT_PASSWORD, denied, grants, refused


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


def test_connect_with_a_database(server, connect):
    server.client().create_database("db1")
    orm = connect(db_name="db1")
    assert sorted(orm.list_database()) == ["db1", "default"]


def test_connect_with_a_wrong_password(connect):
    with refused(2, containing="Fail connecting to server on "):
        connect(password="wrong password")


def test_version(orm):
    assert orm.get_server_version() != ""


def test_there_are_no_collections(orm):
    assert orm.list_collections() == []


class TestUsers:
    def test_create_list_delete(self, orm):
        assert orm.create_user("u1", PASSWORD) is None
        assert list(orm.list_usernames()) == ["root", "u1"]
        assert orm.delete_user("u1") is None
        assert list(orm.list_usernames()) == ["root"]

    def test_create_twice(self, orm, u1):
        with refused(1100, "user already exists: u1: invalid parameter", legacy=29):
            orm.create_user("u1", PASSWORD)

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
        assert orm.list_user("nobody", True).groups == []

    def test_update_password(self, connect, orm, u1):
        orm.update_password("u1", PASSWORD, "new password")
        (user,) = connect("u1", "new password").list_user("u1", True).groups
        assert user.username == "u1"

    def test_reset_password(self, orm, connect, u1):
        user = connect("u1", PASSWORD)
        user.reset_password("u1", PASSWORD, "new password")
        # The connection goes on with the new password, and a new one takes it, too.
        assert user.list_user("u1", False).groups[0].username == "u1"
        assert connect("u1", "new password").list_user("u1", False).groups[0].username == "u1"

    def test_reset_password_of_root(self, orm):
        orm.reset_password("root", ROOT_PASSWORD, "new password")
        assert list(orm.list_usernames()) == ["root"]

    def test_reset_password_with_a_wrong_one(self, orm):
        with refused(1400, "old password not correct for root: not authenticated", legacy=1):
            orm.reset_password("root", "wrong password", "new password")
        assert list(orm.list_usernames()) == ["root"]


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
        assert r1.get_users() == ()
        r1.add_user("u1")
        r1.add_user("u0")
        assert r1.get_users() == ("u0", "u1")
        r1.remove_user("u0")
        assert r1.get_users() == ("u1",)
        assert list(orm.role("nope").get_users()) == []

    def test_add_missing(self, orm, r1):
        text = 'failed to check if operate user role: user "nobody" not found: invalid parameter'
        with refused(1100, text, legacy=37):
            r1.add_user("nobody")
        with refused(1100, NO_ROLE, legacy=37):
            orm.role("nope").add_user("root")

    def test_list_roles(self, orm, r1, u1):
        r1.add_user("u1")
        orm.role("public").add_user("u1")
        listed = [(r.role_name, r.users) for r in orm.list_roles(True).groups]
        assert listed == [("admin", ()), ("public", ("u1",)), ("r1", ("u1",))]
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
        r1.grant_v2("DatabaseReadOnly", "*", db_name="db1")
        assert items(r1.list_grants(db_name="db1")) == [
            ("Global", "db1", "*", "r1", "DatabaseReadOnly", "root")
        ]
        r1.revoke_v2("DatabaseReadOnly", "*", db_name="db1")
        assert items(r1.list_grants(db_name="*")) == []

    def test_list_grant_matches_literally(self, r1):
        r1.grant("Collection", "c1", "Insert", db_name="db1")
        r1.grant("Collection", "*", "Search", db_name="db1")
        r1.grant("Collection", "c1", "Query")
        found = items(r1.list_grant("Collection", "c1", db_name="db1"))
        assert found == [("Collection", "db1", "c1", "r1", "Insert", "root")]
        found = items(r1.list_grant("Collection", "*", db_name="db1"))
        assert found == [("Collection", "db1", "*", "r1", "Search", "root")]
        found = items(r1.list_grant("Collection", "c1"))
        assert found == [("Collection", "default", "c1", "r1", "Query", "root")]
        assert items(r1.list_grant("Global", "c1", db_name="db1")) == []

    def test_list_grant_of_missing_role(self, orm):
        text = 'the role "nope" does not exist: invalid parameter'
        with refused(1100, text, legacy=42):
            orm.role("nope").list_grants()
        with refused(1100, text, legacy=42):
            orm.role("nope").list_grant("Collection", "c1")

    def test_list_grant_of_unknown_type(self, r1):
        with refused(1100, containing="not found the object type[name: Database]", legacy=42):
            r1.list_grant("Database", "c1")

    def test_grant_unknown_privilege(self, r1):
        text = "not found the privilege name[Nonsense] in object[Collection]: invalid parameter"
        with refused(1100, text, legacy=41):
            r1.grant("Collection", "c1", "Nonsense")

    def test_both_interfaces_meet(self, server, r1):
        r1.grant("Collection", "c1", "Insert")
        assert grants(server.client(), "r1") == [("Collection", "default", "c1", "Insert")]


class TestPrivilegeGroups:
    def test_create_fill_empty_drop(self, r1):
        r1.create_privilege_group("g1")
        r1.add_privileges_to_group("g1", ["Insert", "Release"])
        first, *others = r1.list_privilege_groups().groups
        assert (first.privilege_group, sorted(first.privileges)) == ("g1", ["Insert", "Release"])
        assert [g.privilege_group for g in others] == list(BUILT_IN_GROUPS)
        r1.remove_privileges_from_group("g1", ["Insert"])
        assert r1.list_privilege_groups().groups[0].privileges == ("Release",)
        r1.drop_privilege_group("g1")
        assert len(r1.list_privilege_groups().groups) == 9


class TestDatabases:
    def test_create_list_describe_drop(self, orm):
        orm.create_database("db1", properties={"a": "1"})
        assert sorted(orm.list_database()) == ["db1", "default"]
        assert orm.describe_database("db1") == {"name": "db1", "a": "1"}
        orm.set_properties("db1", {"a": "2"})
        assert orm.describe_database("db1") == {"name": "db1", "a": "2"}
        orm.drop_database("db1")
        assert orm.list_database() == ["default"]

    def test_using_database(self, orm, r1):
        orm.create_database("db1")
        orm.using_database("db1")
        assert sorted(orm.list_database()) == ["db1", "default"]
        # In this interface the used database does not reach the calls of roles.
        r1.grant("Collection", "c1", "Insert")
        assert items(r1.list_grants())[0][1] == "default"


def test_a_user_without_privileges(connect, u1):
    user = connect("u1", PASSWORD)
    for call, privilege in [
        (lambda: user.list_usernames(), "SelectOwnership"),
        (lambda: user.list_roles(True), "SelectOwnership"),
        (lambda: user.list_users(True), "SelectUser"),
        (lambda: user.list_user("root", True), "SelectUser"),
        (lambda: user.create_user("u2", PASSWORD), "CreateOwnership"),
        (lambda: user.delete_user("u1"), "DropOwnership"),
        (lambda: user.role("r2").create(), "CreateOwnership"),
        (lambda: user.role("r2").add_user("u1"), "ManageOwnership"),
        (lambda: user.role("r2").grant("Collection", "c1", "Insert"), "ManageOwnership"),
        (lambda: user.role("r2").list_privilege_groups(), "ListPrivilegeGroups"),
        (lambda: user.create_database("db1"), "CreateDatabase"),
    ]:
        with denied(privilege):
            call()


def test_a_closed_connection(server):
    connection = Connection(server)
    connection.close()
    with pytest.raises(MilvusException):
        connection.list_usernames()
