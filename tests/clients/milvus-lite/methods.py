"""The methods that Milvus Lite has: what each needs, and requests that it answers with success."""

import dataclasses

import data


@dataclasses.dataclass(frozen=True)
class Method:
    privilege: str
    fields: dict
    # Of a collection, whose name the caller must hold it for.
    on_collection: bool = False
    # What must have been done before.
    before: tuple = ()


def on_c1(privilege, before=(), **fields):
    return Method(privilege, {"collection_name": "c1"} | fields, True, before)


def wide(privilege, before=(), **fields):
    return Method(privilege, fields, False, before)


P1 = ("CreatePartition", {"collection_name": "c1", "partition_name": "p1"})
A1 = ("CreateAlias", {"collection_name": "c1", "alias": "a1"})
INDEX = data.pairs(index_type="FLAT", metric_type="L2", params="{}")

# Those of the data plane. Before each, there is a collection c1, indexed and loaded, with the rows 0, 1, 2.
METHODS = {
    "CreateCollection": wide(
        "CreateCollection", collection_name="new", schema=data.schema_bytes("new"), shards_num=1
    ),
    "DropCollection": wide("DropCollection", collection_name="c1"),
    "TruncateCollection": wide("DropCollection", collection_name="c1"),
    "HasCollection": wide("DescribeCollection", collection_name="c1"),
    "DescribeCollection": wide("DescribeCollection", collection_name="c1"),
    "AlterCollection": wide(
        "CreateCollection", collection_name="c1", properties=data.pairs(**{"collection.ttl.seconds": "60"})
    ),
    "RenameCollection": wide("RenameCollection", oldName="c1", newName="new"),
    "LoadCollection": on_c1("Load"),
    "ReleaseCollection": on_c1("Release"),
    "GetCollectionStatistics": on_c1("GetStatistics"),
    "GetLoadingProgress": on_c1("GetLoadState"),
    "GetLoadState": on_c1("GetLoadState"),
    "CreatePartition": on_c1("CreatePartition", partition_name="p1"),
    "DropPartition": on_c1("DropPartition", (P1,), partition_name="p1"),
    "HasPartition": on_c1("HasPartition", partition_name="p1"),
    "ShowPartitions": on_c1("ShowPartitions"),
    "GetPartitionStatistics": on_c1("GetStatistics", partition_name="_default"),
    "CreateAlias": wide("CreateAlias", collection_name="c1", alias="a1"),
    "AlterAlias": wide("CreateAlias", (A1,), collection_name="c1", alias="a1"),
    "DropAlias": wide("DropAlias", (A1,), alias="a1"),
    "DescribeAlias": wide("DescribeAlias", (A1,), alias="a1"),
    "ListAliases": wide("ListAliases", collection_name="c1"),
    "CreateIndex": on_c1(
        "CreateIndex",
        (("ReleaseCollection", {"collection_name": "c1"}), ("DropIndex", {"collection_name": "c1"})),
        field_name="vector",
        extra_params=INDEX,
    ),
    "DescribeIndex": on_c1("IndexDetail"),
    "DropIndex": on_c1("DropIndex", (("ReleaseCollection", {"collection_name": "c1"}),), field_name="vector"),
    "Insert": Method("Insert", data.insert("c1", 7), True),
    "Upsert": Method("Upsert", data.insert("c1", 1), True),
    "Delete": on_c1("Delete", expr="id in [1]"),
    "Search": Method("Search", data.search("c1"), True),
    "HybridSearch": Method("Search", data.hybrid_search("c1"), True),
    "Query": Method("Query", data.query("c1"), True),
    "Flush": Method("Flush", {"collection_names": ["c1"]}, True),
    "GetFlushState": on_c1("GetFlushState", segmentIDs=[1]),
    "ManualCompaction": on_c1("Compaction"),
    "GetCompactionState": wide("Compaction", compactionID=1),
    "CreateDatabase": wide("CreateDatabase", db_name="new"),
    "DropDatabase": wide("DropDatabase", (("CreateDatabase", {"db_name": "old"}),), db_name="old"),
    "AlterDatabase": wide("AlterDatabase", db_name="default", properties=data.pairs(timezone="UTC")),
    "DescribeDatabase": wide("DescribeDatabase", db_name="default"),
}

# Open to every user; the answers of the first two are filtered.
OPEN = ["ListDatabases", "ShowCollections", "Connect", "GetVersion", "CheckHealth"]
