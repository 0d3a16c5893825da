"""An application's story, through the server and without it."""

import contextlib
import enum

import pytest
from pymilvus import MilvusClient

import data
import harness

CHANGING = {
    *("cost", "collection_id", "created_timestamp", "update_timestamp", "created_utc_timestamp"),
    # Milvus counts rows when it pleases.
    *("total_rows", "indexed_rows", "pending_index_rows"),
}


def plain(value):
    """The answer without what is different each time."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in CHANGING}
    if isinstance(value, (int, float, str, type(None))) and not isinstance(value, enum.Enum):
        return value
    if type(value).__name__ == "RepeatedScalarContainer" or isinstance(value, list):
        return [plain(v) for v in value]
    return getattr(value, "name", None) or str(value)


def story(connect):
    """Does it, and gives each step with what was answered."""
    client = connect()
    for name, step in STEPS:
        yield name, plain(step(client))
    there = connect(db_name="db1")
    for name, step in THERE:
        yield name, plain(step(there))
    yield "drop the database", client.drop_database("db1")
    yield "databases in the end", sorted(client.list_databases())


def query(client, **more):
    rows = client.query("c1", "id >= 0", output_fields=["id"], consistency_level="Strong", **more)
    return sorted(row["id"] for row in rows)


def search(client, name, number, **more):
    (hits,) = client.search(name, [data.vector(number)], consistency_level="Strong", **more)
    return [(hit["id"], hit["distance"], dict(hit["entity"])) for hit in hits]


STEPS = [
    ("databases at first", lambda c: c.list_databases()),
    ("create a database", lambda c: c.create_database("db1")),
    ("databases", lambda c: sorted(c.list_databases())),
    ("create", lambda c: c.create_collection("c1", schema=data.schema())),
    ("index", lambda c: c.create_index("c1", data.index())),
    ("indexes", lambda c: c.list_indexes("c1")),
    ("index described", lambda c: c.describe_index("c1", "vector")),
    ("insert", lambda c: c.insert("c1", data.rows(0, 1, 2, 3))),
    ("load", lambda c: c.load_collection("c1")),
    ("load state", lambda c: c.get_load_state("c1")),
    ("has", lambda c: c.has_collection("c1")),
    ("has not", lambda c: c.has_collection("c2")),
    ("described", lambda c: c.describe_collection("c1")["fields"]),
    ("collections", lambda c: c.list_collections()),
    ("search", lambda c: str(search(c, "c1", 2, limit=2, output_fields=["color"]))),
    ("search with a filter", lambda c: str(search(c, "c1", 0, filter="color == 'blue'", limit=1))),
    ("query", lambda c: query(c)),
    ("get", lambda c: c.get("c1", [1], output_fields=["color"])),
    ("upsert", lambda c: c.upsert("c1", data.rows(3, 4))),
    ("delete by keys", lambda c: c.delete("c1", ids=[1])),
    ("delete by a filter", lambda c: c.delete("c1", filter="color == 'blue'")),
    ("what is left", lambda c: query(c)),
    ("flush", lambda c: c.flush("c1")),
    ("create a partition", lambda c: c.create_partition("c1", "p1")),
    ("insert into it", lambda c: c.insert("c1", data.rows(9), partition_name="p1")),
    ("query it", lambda c: query(c, partition_names=["p1"])),
    ("has a partition", lambda c: c.has_partition("c1", "p1")),
    ("partitions", lambda c: sorted(c.list_partitions("c1"))),
    ("create an alias", lambda c: c.create_alias("c1", "a1")),
    ("alias", lambda c: c.describe_alias("a1")),
    ("aliases", lambda c: c.list_aliases("c1")["aliases"]),
    ("search the alias", lambda c: str(search(c, "a1", 0, limit=1))),
    ("drop the alias", lambda c: c.drop_alias("a1")),
    ("rename", lambda c: c.rename_collection("c1", "c2")),
    ("renamed", lambda c: c.list_collections()),
    ("release", lambda c: c.release_collection("c2")),
    ("drop the partition", lambda c: c.drop_partition("c2", "p1")),
    ("drop the index", lambda c: c.drop_index("c2", "vector")),
    ("drop", lambda c: c.drop_collection("c2")),
    ("dropped", lambda c: c.list_collections()),
]
THERE = [
    ("create there", lambda c: data.fill(c, "c1")),
    ("search there", lambda c: str(search(c, "c1", 1, limit=1))),
    ("collections there", lambda c: c.list_collections()),
    ("drop there", lambda c: c.drop_collection("c1")),
]

# What the story must show, whoever serves it.
EXPECTED = {
    "databases at first": ["default"],
    "databases": ["db1", "default"],
    "indexes": ["vector"],
    "load state": {"state": "Loaded"},
    "has": True,
    "has not": False,
    "collections": ["c1"],
    "search": "[(2, 0.0, {'color': 'blue'}), (1, 1.0, {'color': 'green'})]",
    "query": [0, 1, 2, 3],
    "what is left": [0, 3, 4],
    "query it": [9],
    "partitions": ["_default", "p1"],
    "aliases": ["a1"],
    "renamed": ["c2"],
    "dropped": [],
    "search there": "[(1, 0.0, {})]",
    "collections there": ["c1"],
    "databases in the end": ["default"],
}


@pytest.fixture(scope="module")
def without(running_milvus):
    """What the story shows without the server."""
    with contextlib.ExitStack() as clients:

        def connect(**options):
            client = MilvusClient(f"http://{running_milvus.address}", dedicated=True, **options)
            return clients.enter_context(contextlib.closing(client))

        shown = dict(story(connect))
    running_milvus.clear()
    return shown


def test_root(without, real, start):
    shown = dict(story(start(real).client))
    assert {step: shown[step] for step in EXPECTED} == EXPECTED
    assert shown == without


def test_a_user_with_all_groups(without, real, start):
    server = start(real)
    root = server.client()
    root.create_role("r1")
    for group in ("ClusterAdmin", "DatabaseAdmin", "CollectionAdmin"):
        root.grant_privilege_v2("r1", group, "*", db_name="*")
    harness.add_user(root, "u1", "r1")
    assert dict(story(lambda **options: server.client("u1", **options))) == without


def test_a_user_with_nothing(real, start):
    server = start(real)
    harness.add_user(server.client(), "u1")
    client = server.client("u1")
    with harness.denied("CreateDatabase"):
        client.create_database("db1")
    with harness.denied("CreateCollection", database="default"):
        client.create_collection("c1", schema=data.schema())
    assert client.list_databases() == []
    assert client.list_collections() == []
