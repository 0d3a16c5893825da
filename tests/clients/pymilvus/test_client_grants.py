"""Grants of both generations, by MilvusClient and AsyncMilvusClient: what is stored, how it is listed."""

import pytest

from harness import add_user, grants

pytestmark = pytest.mark.usefixtures("r1")


def test_grant_and_revoke(client):
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


def test_grant_and_revoke_v2(client):
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


def test_both_generations_meet(client):
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
def test_object_type_of_v2(client, privilege, collection, object_type):
    client.grant_privilege_v2("r1", privilege, collection, db_name="db1")
    assert grants(client, "r1", db_name="db1") == [(object_type, "db1", collection, privilege)]


def test_object_of_v1_on_global(client):
    client.grant_privilege("r1", "Global", "CreateCollection", "c1")
    client.grant_privilege("r1", "Global", "Admin", "c1")
    assert grants(client, "r1") == [
        ("Global", "default", "*", "CreateCollection"),
        ("Global", "default", "c1", "Admin"),
    ]


def test_of_the_used_database(client):
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
def test_related_privileges(client, privilege, all_of_them):
    client.grant_privilege("r1", "Collection", privilege, "c1")
    assert grants(client, "r1") == all_of_them
    client.revoke_privilege("r1", "Collection", privilege, "c1")
    assert grants(client, "r1") == []
    client.grant_privilege_v2("r1", privilege, "c1")
    assert grants(client, "r1") == all_of_them
    client.revoke_privilege_v2("r1", privilege, "c1")
    assert grants(client, "r1") == []


def test_the_first_grantor_stays(server, client):
    add_user(client, "u1", "admin")
    client.grant_privilege_v2("r1", "Search", "c1")
    u1 = server.client("u1")
    u1.grant_privilege_v2("r1", "Search", "c1")
    u1.grant_privilege_v2("r1", "Query", "c1")
    grantors = {p["privilege"]: p["grantor_name"] for p in client.describe_role("r1")["privileges"]}
    assert grantors == {"Query": "u1", "Search": "root"}


def test_a_revoke_takes_no_wildcards(client):
    client.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
    client.revoke_privilege_v2("r1", "Search", "*", db_name="db1")
    client.revoke_privilege_v2("r1", "*", "c1", db_name="db1")
    client.revoke_privilege("r1", "Collection", "Search", "*", db_name="*")
    assert grants(client, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]


@pytest.fixture
def many(client):
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
def test_what_is_listed_in_which_order(client, many, filter, listed):
    assert grants(client, "r1", db_name=filter) == listed


@pytest.mark.parametrize("role", ["admin", "public"])
def test_default_roles_take_grants(client, role):
    before = grants(client, role, db_name="*")
    client.grant_privilege_v2(role, "Search", "c1", db_name="db1")
    assert ("Collection", "db1", "c1", "Search") in grants(client, role, db_name="*")
    client.revoke_privilege_v2(role, "Search", "c1", db_name="db1")
    assert grants(client, role, db_name="*") == before
