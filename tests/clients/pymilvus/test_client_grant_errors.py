"""Grants that are refused, by MilvusClient and AsyncMilvusClient."""

import pytest

from facts import GRANT_CHECK
from harness import grants, refused

pytestmark = pytest.mark.usefixtures("r1")


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
def test_unknown_privilege(client, operation, object_type, privilege):
    text = f"not found the privilege name[{privilege}] in object[{object_type}]: invalid parameter"
    with refused(1100, text, legacy=41) as error:
        getattr(client, operation)("r1", object_type, privilege, "c1")
    assert error.value.is_input_error


@pytest.mark.parametrize("privilege", ["Nonsense", "PrivilegeSearch", "search"])
@pytest.mark.parametrize("operation", ["grant_privilege_v2", "revoke_privilege_v2"])
def test_unknown_privilege_v2(client, operation, privilege):
    text = f"not found the privilege name[{privilege}]: invalid parameter"
    with refused(1100, text, legacy=41):
        getattr(client, operation)("r1", privilege, "c1")


@pytest.mark.parametrize("operation", ["grant_privilege", "revoke_privilege"])
def test_groups_need_v2(client, operation):
    client.create_privilege_group("g1")
    text = "can not operate the custom privilege group [g1]: invalid parameter"
    with refused(1100, text, legacy=41):
        getattr(client, operation)("r1", "Collection", "g1", "c1")
    text = "can not operate the built-in privilege group [CollectionAdmin]: invalid parameter"
    with refused(1100, text, legacy=41):
        getattr(client, operation)("r1", "Collection", "CollectionAdmin", "c1")


def test_unknown_object_type(client):
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
def test_bad_names(client, object_type, privilege, object_name, text):
    with refused(1100, text, legacy=5):
        client.grant_privilege("r1", object_type, privilege, object_name)


def test_bad_collection_name_v2(client):
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
def test_bad_database_name_v2(client, database, text):
    with refused(802, text.format(f"invalid database name[database={database}]"), legacy=1) as error:
        client.grant_privilege_v2("r1", "Search", "c1", db_name=database)
    assert error.value.is_input_error


def test_long_database_name_v2(client):
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
def test_level_of_a_group(client, operation, group, collection, database, text):
    with refused(1100, text.format(group) + ": invalid parameter", legacy=41):
        getattr(client, operation)("r1", group, collection, db_name=database)


def test_level_of_a_custom_group(client):
    client.create_privilege_group("g1")
    # Empty, it has no level.
    client.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
    client.add_privileges_to_group("g1", ["CreateDatabase"])
    text = "dbName and collectionName should be * for the cluster level privilege: g1: invalid parameter"
    with refused(1100, text, legacy=41):
        client.grant_privilege_v2("r1", "g1", "c2", db_name="db1")


def test_a_group_of_groups_has_no_level(client):
    client.create_privilege_group("g1")
    client.add_privileges_to_group("g1", ["All"])
    with refused(1100, "not found the privilege level: invalid parameter", legacy=41):
        client.grant_privilege_v2("r1", "g1", "*", db_name="*")


def test_single_privileges_have_no_level(client):
    client.grant_privilege_v2("r1", "CreateDatabase", "c1", db_name="db1")
    assert grants(client, "r1", db_name="db1") == [("Global", "db1", "c1", "CreateDatabase")]


def test_expr_can_only_be_revoked(client):
    with refused(1100, containing="Expr", legacy=41):
        client.grant_privilege_v2("r1", "Expr", "*", db_name="*")
    client.revoke_privilege_v2("r1", "Expr", "*", db_name="*")
