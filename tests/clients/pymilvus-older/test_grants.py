"""Grants of both generations: what is stored, how it is listed, what is refused."""

import pytest

from harness import grants, refused
from older import described_role, privilege

pytestmark = pytest.mark.usefixtures("r1")


def test_grant_and_revoke(client):
    assert client.grant_privilege("r1", "Collection", "Search", "c1") is None
    assert client.describe_role("r1") == described_role("r1", privilege("r1", "Search", "Collection", "c1"))
    assert client.revoke_privilege("r1", "Collection", "Search", "c1") is None
    assert client.describe_role("r1") == described_role("r1")


def test_grant_and_revoke_v2(client):
    assert client.grant_privilege_v2("r1", "Search", "c1", db_name="db1") is None
    assert client.describe_role("r1", db_name="db1") == described_role(
        "r1", privilege("r1", "Search", "Collection", "c1", "db1")
    )
    # Another database does not show it, all do.
    assert client.describe_role("r1") == described_role("r1")
    assert grants(client, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]
    assert client.revoke_privilege_v2("r1", "Search", "c1", db_name="db1") is None
    assert client.describe_role("r1", db_name="*") == described_role("r1")


def test_both_generations_meet(client):
    client.grant_privilege("r1", "Collection", "Search", "c1", db_name="db1")
    client.revoke_privilege_v2("r1", "Search", "c1", db_name="db1")
    client.grant_privilege_v2("r1", "CreateCollection", "*", db_name="db1")
    client.revoke_privilege("r1", "Global", "CreateCollection", "*", db_name="db1")
    assert grants(client, "r1", db_name="*") == []


@pytest.mark.parametrize(
    "name, collection, object_type",
    [
        ("Search", "c1", "Collection"),
        ("UpdateUser", "*", "User"),
        ("CreateDatabase", "c1", "Global"),
        ("CollectionReadOnly", "c1", "Global"),
        ("*", "c1", "Global"),
    ],
)
def test_object_type_of_v2(client, name, collection, object_type):
    client.grant_privilege_v2("r1", name, collection)
    assert grants(client, "r1") == [(object_type, "default", collection, name)]


def test_of_the_used_database(client):
    client.create_database("db1")
    client.use_database("db1")
    client.grant_privilege("r1", "Collection", "Search", "c1")
    client.grant_privilege_v2("r1", "Query", "c1")
    assert grants(client, "r1") == [
        ("Collection", "db1", "c1", "Query"),
        ("Collection", "db1", "c1", "Search"),
    ]
    client.revoke_privilege("r1", "Collection", "Search", "c1")
    client.revoke_privilege_v2("r1", "Query", "c1")
    assert grants(client, "r1", db_name="*") == []


@pytest.mark.parametrize("operation", ["grant_privilege", "revoke_privilege"])
@pytest.mark.parametrize("object_type, name", [("Collection", "Nonsense"), ("Global", "Search")])
def test_unknown_privilege(client, operation, object_type, name):
    text = f"not found the privilege name[{name}] in object[{object_type}]: invalid parameter"
    with refused(1100, text, legacy=41):
        getattr(client, operation)("r1", object_type, name, "c1")


@pytest.mark.parametrize("operation", ["grant_privilege_v2", "revoke_privilege_v2"])
def test_unknown_privilege_v2(client, operation):
    with refused(1100, "not found the privilege name[Nonsense]: invalid parameter", legacy=41):
        getattr(client, operation)("r1", "Nonsense", "c1")


@pytest.mark.parametrize("operation", ["grant_privilege", "revoke_privilege"])
def test_groups_need_v2(client, operation):
    text = "can not operate the built-in privilege group [CollectionAdmin]: invalid parameter"
    with refused(1100, text, legacy=41):
        getattr(client, operation)("r1", "Collection", "CollectionAdmin", "c1")


@pytest.mark.parametrize("operation", ["grant_privilege_v2", "revoke_privilege_v2"])
def test_level_of_a_group(client, operation):
    text = (
        "dbName and collectionName should be * for the cluster level privilege: ClusterReadOnly: "
        "invalid parameter"
    )
    with refused(1100, text, legacy=41):
        getattr(client, operation)("r1", "ClusterReadOnly", "*", db_name="default")


@pytest.mark.parametrize("operation", ["grant_privilege_v2", "revoke_privilege_v2"])
def test_bad_names(client, operation):
    operate = getattr(client, operation)
    text = (
        "collection name can only contain numbers, letters, underscores, and allowed characters ($), "
        "found . at 1: invalid parameter"
    )
    with refused(1100, text, legacy=5):
        operate("r1", "Search", "c.1")
    text = "database name can only contain numbers, letters and underscores: "
    with refused(802, text + "invalid database name[database=a-b]", legacy=1):
        operate("r1", "Search", "c1", db_name="a-b")
