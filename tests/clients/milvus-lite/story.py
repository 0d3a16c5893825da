"""What an application does with a Milvus, from the first collection to the last, through pymilvus."""

import enum

from pymilvus import AnnSearchRequest, RRFRanker

import data


def story(client):
    """Does it, and gives each step with what was answered."""
    for name, step in STEPS:
        yield name, plain(step(client))


def plain(value):
    """The answer without what is different each time, such as costs and clocks."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in CHANGING}
    if isinstance(value, (list, tuple)) or type(value).__name__ in ("SearchResult", "ExtraList", "Hits"):
        return [plain(v) for v in value]
    if isinstance(value, (int, float, str, type(None))) and not isinstance(value, enum.Enum):
        return value
    return getattr(value, "name", None) or str(value)


CHANGING = {"cost", "collection_id", "created_timestamp", "update_timestamp"}


def hybrid(client):
    requests = [
        AnnSearchRequest([data.vector(n)], "vector", {"metric_type": "L2"}, limit=2) for n in (1, 2)
    ]
    return client.hybrid_search("c1", requests, RRFRanker(), limit=2, output_fields=["color"])


STEPS = [
    ("databases at first", lambda c: c.list_databases()),
    ("create a database", lambda c: c.create_database("db1")),
    ("databases", lambda c: c.list_databases()),
    ("create", lambda c: c.create_collection("c1", schema=data.schema())),
    ("index", lambda c: c.create_index("c1", data.index())),
    ("indexes", lambda c: c.list_indexes("c1")),
    ("index described", lambda c: c.describe_index("c1", "vector")),
    ("insert", lambda c: c.insert("c1", data.rows(0, 1, 2, 3))),
    ("load", lambda c: c.load_collection("c1")),
    ("load state", lambda c: c.get_load_state("c1")),
    ("has", lambda c: c.has_collection("c1")),
    ("has not", lambda c: c.has_collection("c2")),
    ("described", lambda c: c.describe_collection("c1")),
    ("collections", lambda c: c.list_collections()),
    ("search", lambda c: c.search("c1", [data.vector(2)], limit=2, output_fields=["color"])),
    ("search with a filter", lambda c: c.search("c1", [data.vector(0)], filter="color == 'blue'", limit=1)),
    ("hybrid search", hybrid),
    ("query", lambda c: c.query("c1", "id > 1", output_fields=["id", "color"])),
    ("count", lambda c: c.query("c1", "", output_fields=["count(*)"])),
    ("get", lambda c: c.get("c1", [1], output_fields=["vector"])),
    ("upsert", lambda c: c.upsert("c1", data.rows(3, 4))),
    ("delete by keys", lambda c: c.delete("c1", ids=[1])),
    ("delete by a filter", lambda c: c.delete("c1", filter="color == 'blue'")),
    ("what is left", lambda c: c.query("c1", "id >= 0", output_fields=["id"])),
    ("flush", lambda c: c.flush("c1")),
    ("statistics", lambda c: c.get_collection_stats("c1")),
    ("compact", lambda c: c.compact("c1")),
    ("create a partition", lambda c: c.create_partition("c1", "p1")),
    ("insert into it", lambda c: c.insert("c1", data.rows(9), partition_name="p1")),
    ("query it", lambda c: c.query("c1", "id >= 0", partition_names=["p1"], output_fields=["id"])),
    ("has a partition", lambda c: c.has_partition("c1", "p1")),
    ("partitions", lambda c: c.list_partitions("c1")),
    ("partition's statistics", lambda c: c.get_partition_stats("c1", "p1")),
    ("drop the partition", lambda c: c.drop_partition("c1", "p1")),
    ("create an alias", lambda c: c.create_alias("c1", "a1")),
    ("alias", lambda c: c.describe_alias("a1")),
    ("aliases", lambda c: c.list_aliases("c1")),
    ("search the alias", lambda c: c.search("a1", [data.vector(0)], limit=1)),
    ("drop the alias", lambda c: c.drop_alias("a1")),
    ("properties", lambda c: c.alter_collection_properties("c1", {"collection.ttl.seconds": 60})),
    ("rename", lambda c: c.rename_collection("c1", "c2")),
    ("renamed", lambda c: c.list_collections()),
    ("release", lambda c: c.release_collection("c2")),
    ("drop the index", lambda c: c.drop_index("c2", "vector")),
    ("truncate", lambda c: c.truncate_collection("c2")),
    ("drop", lambda c: c.drop_collection("c2")),
    ("dropped", lambda c: c.list_collections()),
    ("change to the database", lambda c: c.use_database("db1")),
    ("create there", lambda c: data.fill(c, "c1")),
    ("search there", lambda c: c.search("c1", [data.vector(1)], limit=1)),
    ("collections there", lambda c: c.list_collections()),
    ("the database", lambda c: c.describe_database("db1")),
    ("drop there", lambda c: c.drop_collection("c1")),
    ("change back", lambda c: c.use_database("default")),
    ("drop the database", lambda c: c.drop_database("db1")),
    ("databases in the end", lambda c: c.list_databases()),
]
