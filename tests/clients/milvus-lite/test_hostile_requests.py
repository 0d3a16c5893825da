"""Requests that are to be read in two ways, or in none: what was checked is what is done."""

import contextlib

import grpc
import pytest
from google.protobuf import message_factory

import data
import harness
import upstream


@pytest.fixture
def databases(root, u1):
    """Collections c1 and c2 in default and in db1, each with one row; u1 may query c1 in default."""
    root.create_database("db1")
    for number, (database, name) in enumerate(ROWS):
        root.use_database(database)
        data.fill(root, name, count=0)
        root.insert(name, data.rows(number))
    root.use_database("default")
    root.grant_privilege_v2("r1", "Query", "c1")


ROWS = [("default", "c1"), ("default", "c2"), ("db1", "c1"), ("db1", "c2")]
QUERY = harness.path("Query")
OUTPUT = message_factory.GetMessageClass(harness.SERVICE.methods_by_name["Query"].output_type)


def query(**fields):
    message = message_factory.GetMessageClass(harness.SERVICE.methods_by_name["Query"].input_type)
    return message(expr="id >= 0", output_fields=["id"], guarantee_timestamp=1, **fields).SerializeToString()


def rows(answer):
    message = OUTPUT.FromString(answer) if isinstance(answer, bytes) else answer
    return [number for field in message.fields_data for number in field.scalars.long_data.data]


def part(number, text):
    """One occurrence of a field."""
    return bytes([number << 3 | 2, len(text)]) + text.encode()


DB_NAME, COLLECTION_NAME = 2, 3


def refused_or(wire, recorder, allowed, request, metadata=()):
    """The call is refused before the upstream, or answered with these rows."""
    recorder.calls.clear()
    try:
        answer = wire.channel.unary_unary(QUERY)(request, metadata=wire._metadata(metadata), timeout=10)
    except grpc.RpcError as error:
        assert recorder.reached("Query") == [], error
        return error.code()
    assert rows(answer) == allowed
    return None


def test_the_last_occurrence_counts(databases, recorder, u1):
    rest = query()
    c1, c2 = part(COLLECTION_NAME, "c1"), part(COLLECTION_NAME, "c2")
    denied = grpc.StatusCode.PERMISSION_DENIED
    assert refused_or(u1, recorder, [], c1 + rest + c2) == denied
    assert refused_or(u1, recorder, [0], c2 + rest + c1) is None
    default, db1 = part(DB_NAME, "default"), part(DB_NAME, "db1")
    assert refused_or(u1, recorder, [], default + c1 + rest + db1) == denied
    assert refused_or(u1, recorder, [0], db1 + c1 + rest + default) is None
    # An empty one counts as well.
    assert refused_or(u1, recorder, [0], db1 + c1 + rest + part(DB_NAME, "")) is None
    assert refused_or(u1, recorder, [], c1 + rest + part(COLLECTION_NAME, "")) == denied


@pytest.mark.parametrize(
    "values",
    [
        ["", "db1"],
        ["default", "db1"],
        ["db1", "default"],
        ["db1", ""],
        ["db1", "db1"],
        ["", ""],
        [" ", "db1"],
        ["default,db1"],
        ["*"],
        ["../db1"],
    ],
    ids=str,
)
def test_the_database_is_named_once(databases, recorder, u1, values):
    """Upstreams differ in which of several they take."""
    metadata = tuple(("dbname", value) for value in values)
    refused_or(u1, recorder, [0], query(collection_name="c1"), metadata)
    assert all(len(call.values("dbname")) <= 1 for call in recorder.reached("Query"))


def test_the_database_of_the_body_before_that_of_the_header(databases, recorder, u1):
    denied = grpc.StatusCode.PERMISSION_DENIED
    db1, default = (("dbname", "db1"),), (("dbname", "default"),)
    assert refused_or(u1, recorder, [0], query(collection_name="c1", db_name="default"), db1) is None
    assert refused_or(u1, recorder, [], query(collection_name="c1", db_name="db1"), default) == denied
    assert refused_or(u1, recorder, [], query(collection_name="c1"), db1) == denied
    assert refused_or(u1, recorder, [0], query(collection_name="c1"), default) is None


@pytest.mark.parametrize(
    "name",
    [
        "../databases/db1/collections/c1",
        "../databases/db1/collections/c2",
        "../collections/c2",
        "./c2",
        "c2/",
        "c1/../c2",
        "*",
        "",
        ".",
        "c2\0",
    ],
)
def test_names_that_are_paths(databases, lite, recorder, root, u1, name):
    """Milvus Lite takes a name for a part of a path. With everything in default, nothing in db1 is reached."""
    with contextlib.closing(lite.wire()) as direct:
        # Where the upstream itself has no such collection, there is nothing to be kept from.
        exists = direct.call("HasCollection", collection_name=name).message.value
    assert exists == ("/" in name)
    recorder.calls.clear()
    with contextlib.suppress(grpc.RpcError):
        answer = u1.call("Query", **data.query(name)).message
        assert answer.status.code != 0 and rows(answer) == []
    root.grant_privilege_v2("r1", "CollectionAdmin", "*")
    root.grant_privilege_v2("r1", "DatabaseAdmin", "*", db_name="default")
    calls = [
        ("Query", data.query(name)),
        ("DescribeCollection", {"collection_name": name}),
        ("GetCollectionStatistics", {"collection_name": name}),
        ("Flush", {"collection_names": ["c1", name]}),
        ("DropCollection", {"collection_name": name}),
        ("RenameCollection", {"oldName": "c1", "newName": "../../databases/db1/collections/c9"}),
        ("CreateAlias", {"collection_name": name, "alias": "a1"}),
    ]
    for rpc, fields in calls:
        if "/" in name or rpc == "RenameCollection":
            recorder.calls.clear()
            with pytest.raises(grpc.RpcError):
                u1.call(rpc, **fields)
            assert recorder.reached(rpc) == [], rpc
        elif rpc == "Query":
            with contextlib.suppress(grpc.RpcError):
                assert rows(u1.call(rpc, **fields).message) == []
    with contextlib.closing(lite.wire()) as direct:
        for database, collection in ROWS:
            assert direct.ok("HasCollection", db_name=database, collection_name=collection).value


@pytest.mark.parametrize("name", ["../..", "db1/..", "a/b", "../collections"])
def test_databases_that_are_paths(databases, recorder, root, u1, name):
    root.grant_privilege_v2("r1", "All", "*", db_name="*")
    for rpc, fields in [("Query", data.query("c1", db_name=name)), ("DescribeDatabase", {"db_name": name})]:
        recorder.calls.clear()
        try:
            status = u1.call(rpc, **fields).status
        except grpc.RpcError:
            assert recorder.reached(rpc) == []
        else:
            assert status.code != 0


@pytest.mark.parametrize("name", ["../../c2", "a/b", ".."])
def test_partitions_that_are_paths(databases, recorder, root, u1, name):
    root.grant_privilege_v2("r1", "CollectionAdmin", "*")
    recorder.calls.clear()
    with pytest.raises(grpc.RpcError):
        u1.call("CreatePartition", collection_name="c1", partition_name=name)
    assert recorder.reached("CreatePartition") == []


BROKEN = {
    "cut off": query(collection_name="c1")[:-3],
    "a length beyond the end": query(collection_name="c1") + b"\x1a\xff\xff\xff\xff\x0f",
    "an endless number": query(collection_name="c1") + b"\x38" + b"\xff" * 11,
    "a name that is a number": query(collection_name="c1") + b"\x18\x01",
    "field zero": query(collection_name="c1") + b"\x02\x00",
    "a name that is no text": query(collection_name="c1") + b"\x1a\x02\xff\xfe",
    "a group that does not end": query(collection_name="c1") + b"\xfb\x07",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_cannot_be_read(databases, recorder, u1, broken):
    """Not passed on, or read like Milvus Lite reads it."""
    recorder.calls.clear()
    code = refused_or(u1, recorder, [0], BROKEN[broken])
    assert code in (None, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INTERNAL)


def test_unknown_fields_go_on(databases, recorder, u1):
    """A newer client may send more than is known here."""
    request = query(collection_name="c1") + b"\xfa\x7f\x03abc"
    assert refused_or(u1, recorder, [0], request) is None
    assert recorder.reached("Query")[0].request == request


def test_compressed_requests(databases, recorder, root, u1):
    """They are checked like all others, or refused."""
    for name in ("c1", "c2"):
        recorder.calls.clear()
        stub = u1.channel.unary_unary(QUERY)
        try:
            answer = stub(
                query(collection_name=name), metadata=u1._metadata(), compression=grpc.Compression.Gzip, timeout=10
            )
        except grpc.RpcError:
            assert recorder.reached("Query") == []
        else:
            assert (name, rows(answer)) == ("c1", [0])


def test_nested_requests_do_not_decide(databases, root, u1):
    """Milvus Lite searches the outer collection, whatever the inner requests name."""
    root.grant_privilege_v2("r1", "Search", "c1")
    with harness.denied("Search", database="default"):
        u1.call("HybridSearch", **data.hybrid_search("c2", nested="c1"))
    try:
        found = u1.ok("HybridSearch", **data.hybrid_search("c1", nested="c2"))
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)
    else:
        assert set(found.results.ids.int_id.data) <= {0}


def test_an_id_does_not_stand_for_a_name(databases, recorder, root, u1, closed):
    recorder.calls.clear()
    root.grant_privilege_v2("r1", "DescribeCollection", "*")
    for fields in ({"collectionID": 1}, {"collectionID": 1, "db_name": "default"}):
        with harness.rpc_error(grpc.StatusCode.PERMISSION_DENIED):
            u1.call("DescribeCollection", **fields)
    assert recorder.reached("DescribeCollection") == []


def test_two_messages_where_one_is_due(databases, recorder, root, u1):
    """Only one of them would be checked."""
    for names in (("c1", "c2"), ("c2", "c1"), ("c1", "c1")):
        recorder.calls.clear()
        with pytest.raises(grpc.RpcError):
            u1.stream(QUERY, [query(collection_name=name) for name in names])
        assert recorder.reached("Query") == []


def test_no_message_where_one_is_due(databases, recorder, u1):
    recorder.calls.clear()
    with pytest.raises(grpc.RpcError):
        u1.stream(QUERY, [])
    assert recorder.reached("Query") == []


def test_an_upstream_that_compresses_its_answers(start, lite, root, u1):
    """What is filtered is filtered or not shown at all. gRPC's Python server compresses even for a client that
    has not asked for it."""
    names = [f"a_collection_with_a_long_name_{n:03}" for n in range(100)]
    with contextlib.closing(lite.wire()) as wire:
        for name in names:
            wire.ok("CreateCollection", collection_name=name, schema=data.schema_bytes(name))
    recorder = upstream.Recorder(lite.address, compression=grpc.Compression.Gzip)
    try:
        server = start(recorder)
        root = server.client()
        root.create_role("r1")
        harness.add_user(root, "u1", "r1")
        root.grant_privilege_v2("r1", "Query", names[7])
        try:
            shown = list(server.wire("u1").call("ShowCollections").message.collection_names)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED
        else:
            assert shown == [names[7]]
        assert len(recorder.reached("ShowCollections")) == 1
        # What is not filtered goes through as it is.
        assert root.describe_collection(names[3])["collection_name"] == names[3]
    finally:
        recorder.end()
