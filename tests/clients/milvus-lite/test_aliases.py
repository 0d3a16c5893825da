"""A grant on a collection covers its aliases."""

import time

import grpc
import pytest

import data
import harness

# An alias that is changed behind the server's back is noticed within this time.
SECONDS = 15


@pytest.fixture
def collections(root, u1):
    """The collections c1 and c2, whose first keys are 0 and 10, and an alias a1 of c1."""
    for name, first in (("c1", 0), ("c2", 10)):
        data.fill(root, name, count=0)
        root.insert(name, data.rows(first))
    root.create_alias("c1", "a1")


def ids(wire, name, **more):
    rows = wire.ok("Query", **data.query(name, **more)).fields_data[0]
    return list(rows.scalars.long_data.data)


def may(wire, name, **more):
    """Whether the caller may query it."""
    try:
        wire.call("Query", **data.query(name, **more))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED, error
        return False
    return True


def test_the_alias_of_a_granted_collection(collections, root, u1):
    root.grant_privilege_v2("r1", "Query", "c1")
    assert ids(u1, "a1") == [0]
    assert ids(u1, "c1") == [0]


def test_the_alias_of_another_collection(collections, recorder, root, u1):
    root.grant_privilege_v2("r1", "Query", "c2")
    recorder.calls.clear()
    with harness.denied("Query", database="default"):
        u1.call("Query", **data.query("a1"))
    assert recorder.reached("Query") == []
    assert ids(u1, "c2") == [10]


def test_an_alias_that_is_changed_here(collections, root, u1):
    """The next call knows it, each time."""
    root.grant_privilege_v2("r1", "Query", "c1")
    for _ in range(30):
        assert ids(u1, "a1") == [0]
        root.alter_alias("c2", "a1")
        assert not may(u1, "a1")
        root.alter_alias("c1", "a1")


def test_an_alias_that_is_dropped_and_created_here(collections, root, u1):
    root.grant_privilege_v2("r1", "Query", "c1")
    for _ in range(30):
        assert ids(u1, "a1") == [0]
        root.drop_alias("a1")
        assert not may(u1, "a1")
        root.create_alias("c2", "a1")
        assert not may(u1, "a1")
        root.drop_alias("a1")
        root.create_alias("c1", "a1")


def test_a_collection_that_is_renamed_here(collections, root, u1):
    root.grant_privilege_v2("r1", "Query", "c3")
    assert not may(u1, "a1")
    root.rename_collection("c1", "c3")
    root.load_collection("c3")
    assert ids(u1, "a1") == [0]


def test_a_collection_that_is_dropped_here(collections, root, u1):
    """Its aliases go with it. The name is free for what the grant does not cover."""
    root.grant_privilege_v2("r1", "Query", "c1")
    assert ids(u1, "a1") == [0]
    root.drop_collection("c1")
    root.create_alias("c2", "a1")
    assert not may(u1, "a1")


def test_an_alias_that_becomes_a_collection(collections, root, u1):
    root.grant_privilege_v2("r1", "Query", "c1")
    assert ids(u1, "a1") == [0]
    root.drop_alias("a1")
    data.fill(root, "a1", count=1)
    assert not may(u1, "a1")
    root.grant_privilege_v2("r1", "Query", "a1")
    assert ids(u1, "a1") == [0]


def test_an_alias_that_is_changed_elsewhere(collections, lite, root, u1):
    root.grant_privilege_v2("r1", "Query", "c1")
    assert ids(u1, "a1") == [0]
    wire = lite.wire()
    wire.ok("AlterAlias", collection_name="c2", alias="a1")
    wire.close()
    end = time.monotonic() + SECONDS
    while may(u1, "a1"):
        assert time.monotonic() < end, f"a change was not noticed within {SECONDS} s"
        time.sleep(0.1)


def test_each_database_has_its_own(collections, root, u1):
    root.create_database("db1")
    root.use_database("db1")
    data.fill(root, "c2", count=1)
    root.create_alias("c2", "a1")
    root.grant_privilege_v2("r1", "Query", "c2", db_name="db1")
    # The default database's alias is of c1, and its c2 is not granted.
    assert ids(u1, "a1", db_name="db1") == [0]
    assert not may(u1, "a1")
    assert not may(u1, "c2")


def test_each_database_has_its_own_by_the_header(collections, root, u1):
    root.create_database("db1")
    root.use_database("db1")
    data.fill(root, "c2", count=1)
    root.create_alias("c2", "a1")
    root.grant_privilege_v2("r1", "Query", "c2", db_name="db1")
    answer = u1.call("Query", metadata=(("dbname", "db1"),), **data.query("a1"))
    assert list(answer.message.fields_data[0].scalars.long_data.data) == [0]
    with harness.denied("Query", database="default"):
        u1.call("Query", metadata=(("dbname", "default"),), **data.query("a1"))


def test_several_names(collections, recorder, root, u1):
    root.grant_privilege_v2("r1", "Flush", "c1")
    u1.ok("Flush", collection_names=["a1", "c1"])
    recorder.calls.clear()
    with harness.denied("Flush", database="default"):
        u1.call("Flush", collection_names=["a1", "c2"])
    root.create_alias("c2", "a2")
    with harness.denied("Flush", database="default"):
        u1.call("Flush", collection_names=["a2", "a1"])
    assert recorder.reached("Flush") == []
    root.grant_privilege_v2("r1", "Flush", "c2")
    u1.ok("Flush", collection_names=["a2", "a1"])


def test_all_methods_on_collections(collections, root, u1):
    root.grant_privilege_v2("r1", "CollectionReadWrite", "c1")
    client_calls = [
        ("Insert", data.insert("a1", 5)),
        ("Upsert", data.insert("a1", 5)),
        ("Delete", {"collection_name": "a1", "expr": "id in [5]"}),
        ("Search", data.search("a1")),
        ("HybridSearch", data.hybrid_search("a1")),
        ("GetLoadState", {"collection_name": "a1"}),
        ("GetLoadingProgress", {"collection_name": "a1"}),
        ("GetCollectionStatistics", {"collection_name": "a1"}),
        ("ShowPartitions", {"collection_name": "a1"}),
        ("ReleaseCollection", {"collection_name": "a1"}),
        ("LoadCollection", {"collection_name": "a1"}),
    ]
    for rpc, fields in client_calls:
        u1.ok(rpc, **fields)
    root.alter_alias("c2", "a1")
    for rpc, fields in client_calls:
        with harness.rpc_error(grpc.StatusCode.PERMISSION_DENIED):
            u1.call(rpc, **fields)


def test_switched_off(start, recorder):
    server = start(recorder, "--resolve-aliases", "off")
    root = server.client()
    data.fill(root, "c1", count=1)
    root.create_alias("c1", "a1")
    root.create_role("r1")
    harness.add_user(root, "u1", "r1")
    u1 = server.wire("u1")
    root.grant_privilege_v2("r1", "Query", "c1")
    recorder.calls.clear()
    assert not may(u1, "a1")
    assert ids(u1, "c1") == [0]
    root.grant_privilege_v2("r1", "Query", "a1")
    assert ids(u1, "a1") == [0]
    assert recorder.reached("DescribeAlias") == []


def test_what_cannot_be_resolved(collections, recorder, root, u1):
    """The literal name decides."""
    recorder.refusing.add("DescribeAlias")
    root.grant_privilege_v2("r1", "Query", "c1")
    assert ids(u1, "c1") == [0]
    assert not may(u1, "a1")
    recorder.refusing.clear()
    end = time.monotonic() + SECONDS
    while not may(u1, "a1"):
        assert time.monotonic() < end, "a failure is remembered for too long"
        time.sleep(0.1)


def test_a_resolver_that_hangs_does_not_hang_the_call(collections, recorder, root, u1):
    recorder.hanging.add("DescribeAlias")
    root.grant_privilege_v2("r1", "Query", "c1")
    started = time.monotonic()
    assert not may(u1, "a1")
    assert time.monotonic() - started < 10
    assert recorder.given_up.is_set()


def test_the_upstream_is_not_asked_each_time(collections, recorder, root, u1):
    root.grant_privilege_v2("r1", "Query", "c1")
    recorder.calls.clear()
    for _ in range(50):
        ids(u1, "a1")
        ids(u1, "c1")
    assert len(recorder.reached("Query")) == 100
    assert len(recorder.reached("DescribeAlias")) <= 20
