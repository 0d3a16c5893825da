"""Who may do what, and that the upstream sees nothing of what is denied."""

import contextlib
import time

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2

import data
import harness

DB1 = (("dbname", "db1"),)
DENIED = grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture
def collections(real, root):
    """Collections c1 and c2 in default and c1 in db1, with one row each and an alias a1 of c1, made without
    the server."""
    root.create_database("db1")
    with contextlib.closing(real.wire()) as wire:
        for key, (database, name) in enumerate([("default", "c1"), ("default", "c2"), ("db1", "c1")]):
            on = {"db_name": database, "collection_name": name}
            wire.ok("CreateCollection", **on, schema=data.schema_bytes(name), shards_num=1)
            wire.ok("CreateIndex", **on, field_name="vector", extra_params=INDEX)
            wire.ok("Insert", **data.insert(name, key), db_name=database)
        for database in ("default", "db1"):
            wire.ok("CreateAlias", db_name=database, collection_name="c1", alias="a1")
    return None


@pytest.fixture
def loaded(collections, real):
    with contextlib.closing(real.wire()) as wire:
        for database, name in [("default", "c1"), ("default", "c2"), ("db1", "c1")]:
            wire.ok("LoadCollection", db_name=database, collection_name=name, replica_number=1)
            wait_for_load(wire, database, name)


def wait_for_load(wire, database, name):
    # The timeout of the test bounds it.
    while wire.ok("GetLoadState", db_name=database, collection_name=name).state != common_pb2.LoadStateLoaded:
        time.sleep(0.05)


INDEX = data.pairs(index_type="FLAT", metric_type="L2", params="{}")
# Consistency level Strong: the server takes no notice of the client's clock.
STRONG = {"guarantee_timestamp": 0, "consistency_level": common_pb2.Strong}


def search(name, **more):
    return data.search(name, **STRONG | more)


def query(name, **more):
    return data.query(name, **STRONG | more)


def ids(answer):
    return [number for field in answer.fields_data for number in field.scalars.long_data.data]


METHODS = [
    ("Search", "Search", search("c1")),
    ("Query", "Query", query("c1")),
    ("Insert", "Insert", data.insert("c1", 7)),
    ("Delete", "Delete", {"collection_name": "c1", "expr": "id in [7]"}),
    ("Upsert", "Upsert", data.insert("c1", 7)),
    ("GetLoadState", "GetLoadState", {"collection_name": "c1"}),
    ("ShowPartitions", "ShowPartitions", {"collection_name": "c1"}),
    ("GetCollectionStatistics", "GetStatistics", {"collection_name": "c1"}),
    ("CreatePartition", "CreatePartition", {"collection_name": "c1", "partition_name": "p1"}),
    ("ReleasePartitions", "Release", {"collection_name": "c1", "partition_names": ["p1"]}),
    ("DropPartition", "DropPartition", {"collection_name": "c1", "partition_name": "p1"}),
    ("GetReplicas", "GetLoadState", {"collection_name": "c1"}),
    ("ReleaseCollection", "Release", {"collection_name": "c1"}),
]


def test_methods(loaded, root, u1, recorder):
    """Refused without the privilege and on the other collection, and the upstream knows nothing of it."""
    for rpc, privilege, fields in METHODS:
        recorder.calls.clear()
        with harness.denied(privilege, database="default"):
            u1.call(rpc, **fields)
        root.grant_privilege_v2("r1", privilege, "c2")
        with harness.denied(privilege, database="default"):
            u1.call(rpc, **fields)
        assert recorder.reached(rpc) == [], rpc
        root.grant_privilege_v2("r1", privilege, "c1")
        u1.ok(rpc, **fields)
        assert len(recorder.reached(rpc)) == 1, rpc
        root.revoke_privilege_v2("r1", privilege, "c1")
        root.revoke_privilege_v2("r1", privilege, "c2")
        with harness.denied(privilege, database="default"):
            u1.call(rpc, **fields)
        assert len(recorder.reached(rpc)) == 1, rpc


@pytest.mark.parametrize("group, reads, writes", [("CollectionReadOnly", True, False), ("CollectionReadWrite", True, True)])
def test_groups(loaded, server, root, u1, group, reads, writes):
    root.grant_privilege_v2("r1", group, "c1")
    client = server.client("u1")
    assert client.query("c1", "id >= 0", output_fields=["id"], consistency_level="Strong") == [{"id": 0}]
    with harness.denied("Query", database="default"):
        client.query("c2", "id >= 0", output_fields=["id"])
    if writes:
        assert client.insert("c1", data.rows(5))["insert_count"] == 1
    else:
        with harness.denied("Insert", database="default"):
            client.insert("c1", data.rows(5))
    with harness.denied("DropCollection", database="default"):
        client.drop_collection("c1")


def test_in_force_at_once(loaded, root, u1, recorder):
    # A strong search would wait for Milvus' clock.
    search = {**data.search("c1"), "consistency_level": common_pb2.Eventually}
    recorder.calls.clear()
    for _ in range(200):
        root.grant_privilege_v2("r1", "Search", "c1")
        u1.ok("Search", **search)
        root.revoke_privilege_v2("r1", "Search", "c1")
        with harness.denied("Search", database="default"):
            u1.call("Search", **search)
    assert len(recorder.reached("Search")) == 200


def test_aliases(loaded, root, u1, recorder):
    root.grant_privilege_v2("r1", "Query", "c1")
    assert ids(u1.ok("Query", **query("a1"))) == [0]
    for _ in range(10):
        root.alter_alias("c2", "a1")
        recorder.calls.clear()
        with harness.denied("Query", database="default"):
            u1.call("Query", **query("a1"))
        assert recorder.reached("Query") == []
        root.alter_alias("c1", "a1")
        assert ids(u1.ok("Query", **query("a1"))) == [0]


def test_aliases_of_each_database(loaded, root, u1):
    root.alter_alias("c2", "a1")
    root.grant_privilege_v2("r1", "Query", "c1", db_name="db1")
    assert ids(u1.ok("Query", **query("a1", db_name="db1"))) == [2]
    assert ids(u1.call("Query", metadata=DB1, **query("a1")).message) == [2]
    with harness.denied("Query", database="default"):
        u1.call("Query", **query("a1"))


def test_listings(collections, root, wire, u1):
    def shown(caller):
        return {
            database: sorted(caller.ok("ShowCollections", db_name=database).collection_names)
            for database in sorted(caller.ok("ListDatabases").db_names)
        }

    assert shown(wire) == {"db1": ["c1"], "default": ["c1", "c2"]}
    assert shown(u1) == {}
    root.grant_privilege_v2("r1", "Search", "c2")
    assert shown(u1) == {"default": ["c2"]}
    everything, some = wire.ok("ShowCollections"), u1.ok("ShowCollections")
    at = list(everything.collection_names).index("c2")
    for field in ("collection_ids", "created_timestamps", "created_utc_timestamps"):
        assert list(getattr(some, field)) == [getattr(everything, field)[at]], field
    # Whatever Milvus makes of names that are asked for.
    for name in ("c1", "a1"):
        assert set(u1.ok("ShowCollections", collection_names=[name]).collection_names) <= {"c2"}
    root.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
    assert shown(u1) == {"db1": ["c1"], "default": ["c2"]}
    listed = wire.ok("ListDatabases")
    assert len(listed.created_timestamp) == len(listed.db_names)
    for database, created in zip(listed.db_names, listed.created_timestamp, strict=True):
        if database == "db1":
            root.revoke_privilege_v2("r1", "Search", "c2")
            assert list(u1.ok("ListDatabases").created_timestamp) == [created]


# Read what the database of the header holds. Milvus 2.3.5 itself answers DescribeAlias and ListAliases
# from the default database, whatever the header says.
READS = [
    ("DescribeCollection", "DescribeCollection", {"collection_name": "only1"}),
    ("HasCollection", "DescribeCollection", {"collection_name": "only1"}),
    ("GetCollectionStatistics", "GetStatistics", {"collection_name": "only1"}),
    ("ShowPartitions", "ShowPartitions", {"collection_name": "only1"}),
    ("HasPartition", "HasPartition", {"collection_name": "only1", "partition_name": "_default"}),
    ("GetPartitionStatistics", "GetStatistics", {"collection_name": "only1", "partition_name": "_default"}),
    ("GetLoadState", "GetLoadState", {"collection_name": "only1"}),
    ("DescribeIndex", "IndexDetail", {"collection_name": "only1"}),
    ("GetIndexState", "IndexDetail", {"collection_name": "only1"}),
    ("DescribeAlias", "DescribeAlias", {"alias": "alias1"}),
    ("ListAliases", "ListAliases", {"collection_name": "only1"}),
    ("Flush", "Flush", {"collection_names": ["only1"]}),
]


def test_the_database_of_the_header_is_the_one_that_is_read(real, root, u1):
    """It is checked there and done there, method by method."""
    root.create_database("db1")
    with contextlib.closing(real.wire()) as wire:
        on = {"db_name": "db1", "collection_name": "only1"}
        wire.ok("CreateCollection", **on, schema=data.schema_bytes("only1"), shards_num=1)
        wire.ok("CreateIndex", **on, field_name="vector", extra_params=INDEX)
        wire.ok("CreateAlias", **on, alias="alias1")
    wrong = {}
    for rpc, privilege, fields in READS:
        root.grant_privilege_v2("r1", privilege, "*", db_name="db1")
        try:
            answer = u1.call(rpc, metadata=DB1, **fields)
            if (answer.status.code, answer.status.error_code) != (0, 0):
                wrong[rpc] = answer.status.reason
            elif rpc == "HasCollection" and not answer.message.value:
                wrong[rpc] = "not found"
        except grpc.RpcError as error:
            wrong[rpc] = error.details()
        root.revoke_privilege_v2("r1", privilege, "*", db_name="db1")
    assert wrong == {}


def test_what_another_database_holds_is_not_read(collections, root, u1, recorder):
    """Rights in db1 alone give nothing of default."""
    for privilege in ("DescribeCollection", "ListAliases", "IndexDetail"):
        root.revoke_privilege_v2("public", privilege, "*", db_name="*")
    root.create_alias("c2", "only_in_default")
    root.grant_privilege_v2("r1", "CollectionReadOnly", "*", db_name="db1")
    assert u1.call("DescribeAlias", metadata=DB1, alias="only_in_default").status.code != 0
    listed = u1.call("ListAliases", metadata=DB1, collection_name="c2")
    assert list(listed.message.aliases) == []
    for rpc, fields in [
        ("DescribeAlias", {"alias": "only_in_default"}),
        ("ListAliases", {"collection_name": "c2"}),
        ("DescribeCollection", {"collection_name": "c2"}),
    ]:
        recorder.calls.clear()
        with harness.rpc_error(DENIED):
            u1.call(rpc, **fields)
        assert recorder.reached(rpc) == []


def test_a_collection_by_its_id_alone(collections, root, u1, real):
    """Milvus answers for an id in any database."""
    for privilege in ("DescribeCollection", "ListAliases", "IndexDetail"):
        root.revoke_privilege_v2("public", privilege, "*", db_name="*")
    with contextlib.closing(real.wire()) as wire:
        described = wire.ok("DescribeCollection", db_name="db1", collection_name="c1")
    root.grant_privilege_v2("r1", "DescribeCollection", "*")
    for fields in [{"collectionID": described.collectionID}, {"collectionID": described.collectionID, "db_name": "default"}]:
        with harness.rpc_error(DENIED):
            u1.call("DescribeCollection", **fields)
    root.grant_privilege_v2("r1", "DescribeCollection", "*", db_name="*")
    assert u1.ok("DescribeCollection", collectionID=described.collectionID).schema.name == "c1"


def test_names_that_milvus_lacks(root, wire, u1):
    """What this Milvus has not, it says itself; roles and users are those of the server all the same."""
    with harness.rpc_error(grpc.StatusCode.UNIMPLEMENTED, containing=["unknown method HybridSearch"]):
        wire.call("HybridSearch", collection_name="c1")
    with harness.denied("Search", database="default"):
        u1.call("HybridSearch", collection_name="c1")
    assert set(root.list_users()) == {"root", "u1"}
    assert root.describe_user("u1")["roles"] == ("r1",)


def test_milvus_keeps_no_roles_itself(real, u1):
    with contextlib.closing(real.wire()) as wire:
        assert list(wire.ok("ListCredUsers").usernames) == ["root"]


def test_a_compressed_request(collections, u1, recorder):
    """It is checked like all others, or refused."""
    request = b"\x1a\x02c1"
    with pytest.raises(grpc.RpcError):
        u1.channel.unary_unary(harness.path("Query"))(
            request, metadata=u1._metadata(), compression=grpc.Compression.Gzip, timeout=10
        )
    assert recorder.reached("Query") == []


def test_a_large_insert(start, real):
    """10 MiB in one message."""
    root = start(real).client()
    root.create_collection("c1", dimension=1024, auto_id=False)
    count = 2600
    sent = [{"id": n, "vector": [n / count] * 1024} for n in range(count)]
    assert root.insert("c1", sent)["insert_count"] == count
    (hits,) = root.search("c1", [[1.0] + [0.0] * 1023], limit=1, consistency_level="Strong")
    assert len(hits) == 1


def test_the_upstreams_own_limit(wire, recorder):
    """70 MB are more than Milvus takes: it says so, or the server does before it."""
    with harness.rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED):
        wire.raw(harness.path("HasCollection"), b"\x1a\x80\x80\x80\x23" + b"x" * (70 << 20), timeout=30)
