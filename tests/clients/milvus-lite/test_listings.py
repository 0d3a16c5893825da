"""The databases and collections that a caller is shown: those that his grants name."""

import grpc
import pytest

import data
import harness
from methods import INDEX


@pytest.fixture
def databases(root):
    """Three databases, with the collections c1, c2 and c3 in each."""
    for database in ("db1", "db2"):
        root.create_database(database)
    for database in ("default", "db1", "db2"):
        for name in ("c1", "c2", "c3"):
            root.use_database(database)
            root.create_collection(name, schema=data.schema())
    root.use_database("default")


def shown(wire):
    """The collections in each of the databases that are shown."""
    return {
        database: list(collections(wire, database)) for database in sorted(wire.ok("ListDatabases").db_names)
    }


def collections(wire, database):
    return wire.ok("ShowCollections", db_name=database).collection_names


ALL = ["c1", "c2", "c3"]
EVERYTHING = {"db1": ALL, "db2": ALL, "default": ALL}


def test_root_and_administrators(databases, root, wire, u1):
    assert shown(wire) == EVERYTHING
    root.grant_role("u1", "admin")
    assert shown(u1) == EVERYTHING


def test_nobody_is_refused(databases, u1):
    """What public holds shows nothing."""
    assert shown(u1) == {}
    for database in EVERYTHING:
        assert list(collections(u1, database)) == []


GRANTS = [
    ([("Search", "c2", "db1")], {"db1": ["c2"]}),
    ([("Search", "c2", "default")], {"default": ["c2"]}),
    ([("CollectionReadOnly", "c1", "db1")], {"db1": ["c1"]}),
    ([("CollectionAdmin", "*", "db2")], {"db2": ALL}),
    ([("Insert", "*", "db1")], {"db1": ALL}),
    ([("Search", "c1", "db1"), ("Query", "c3", "db1"), ("Query", "c2", "db2")], {"db1": ["c1", "c3"], "db2": ["c2"]}),
    ([("CollectionReadOnly", "*", "*")], EVERYTHING),
    ([("All", "*", "*")], EVERYTHING),
    ([("All", "*", "db1")], {"db1": ALL}),
    # Who may show the collections sees them all.
    ([("DatabaseReadOnly", "*", "db1")], {"db1": ALL}),
    ([("ShowCollections", "*", "db1")], {"db1": ALL}),
    # Other grants on databases and on the instance show databases, and no collections.
    ([("DescribeDatabase", "*", "db1")], {"db1": []}),
    ([("ClusterReadOnly", "*", "*")], {"default": [], "db1": [], "db2": []}),
    ([("Search", "nothing", "db1")], {"db1": []}),
    ([("Search", "c1", "elsewhere")], {}),
]


@pytest.mark.parametrize("grants, expected", GRANTS)
def test_what_grants_show(databases, root, u1, grants, expected):
    for privilege, name, database in grants:
        root.grant_privilege_v2("r1", privilege, name, db_name=database)
    assert shown(u1) == expected
    for privilege, name, database in grants:
        root.revoke_privilege_v2("r1", privilege, name, db_name=database)
    assert shown(u1) == {}


def test_a_group_of_ones_own(databases, root, u1):
    root.create_privilege_group("g1")
    root.add_privileges_to_group("g1", ["Search"])
    root.grant_privilege_v2("r1", "g1", "c3", db_name="db2")
    assert shown(u1) == {"db2": ["c3"]}


def test_what_goes_with_a_name_goes_with_it(databases, root, wire, u1):
    """The lists beside the names are filtered alike."""
    wire.ok("CreateIndex", collection_name="c2", field_name="vector", extra_params=INDEX)
    wire.ok("ReleaseCollection", collection_name="c2")
    root.grant_privilege_v2("r1", "Search", "c2")
    root.grant_privilege_v2("r1", "Search", "c3")
    everything, some = wire.ok("ShowCollections"), u1.ok("ShowCollections")
    assert list(everything.collection_names) == ALL
    assert list(some.collection_names) == ["c2", "c3"]
    for field in ("inMemory_percentages", "query_service_available", "shards_num"):
        assert list(getattr(some, field)) == list(getattr(everything, field))[1:], field
    assert list(some.inMemory_percentages)[0] == 0


def test_names_that_are_asked_for(databases, root, u1):
    root.grant_privilege_v2("r1", "Search", "c2")
    assert list(u1.ok("ShowCollections", collection_names=["c1", "c2"]).collection_names) == ["c2"]
    assert list(u1.ok("ShowCollections", collection_names=["c1"]).collection_names) == []


def test_the_database_of_the_connection(databases, server, root, u1):
    root.grant_privilege_v2("r1", "Search", "c2", db_name="db1")
    assert server.client("u1", db_name="db1").list_collections() == ["c2"]
    assert server.client("u1").list_collections() == []
    assert server.client("u1").list_databases() == ["db1"]


def test_of_many_collections_none_is_lost(server, root, u1, lite):
    wire = lite.wire()
    names = [f"c{n:03}" for n in range(300)]
    for name in names:
        wire.ok("CreateCollection", collection_name=name, schema=data.schema_bytes(name))
    wire.close()
    for name in names[::3]:
        root.grant_privilege_v2("r1", "Search", name)
    assert list(u1.ok("ShowCollections").collection_names) == names[::3]
    assert sorted(server.client().list_collections()) == names


def test_an_error_of_the_upstream_is_told(root, u1):
    root.grant_privilege_v2("r1", "Search", "c1", db_name="nowhere")
    status = u1.call("ShowCollections", db_name="nowhere").status
    assert (status.code, status.reason) == (1, "database 'nowhere' does not exist")


def test_a_listing_is_in_force_at_once(databases, root, u1):
    for _ in range(50):
        root.grant_privilege_v2("r1", "Search", "c2", db_name="db1")
        assert shown(u1) == {"db1": ["c2"]}
        root.revoke_privilege_v2("r1", "Search", "c2", db_name="db1")
        assert shown(u1) == {}


def test_without_a_login(server):
    for rpc in ("ListDatabases", "ShowCollections"):
        with harness.not_logged_in("missing authorization in header"):
            server.wire(authorization="").call(rpc)


@pytest.mark.parametrize("rpc", ["ListDatabases", "ShowCollections"])
def test_a_refusal_of_the_upstream_is_told(recorder, wire, u1, rpc):
    recorder.refusing.add(rpc)
    for caller in (wire, u1):
        with harness.rpc_error(grpc.StatusCode.INTERNAL, "refused by the test"):
            caller.call(rpc)
