"""Users with each of the built-in groups, and what an application can do as them."""

import grpc
import pytest

import data
import harness
from facts import BUILT_IN_GROUPS, CLUSTER_LEVEL, COLLECTION_ADMIN, DATABASE_ADMIN

# In this order, so that each finds what it needs, done by the user or, where he may not, by root.
STEPS = [
    ("create a database", "CreateDatabase", lambda c: c.create_database("db1")),
    ("describe a database", "DescribeDatabase", lambda c: c.describe_database("default")),
    ("create", "CreateCollection", lambda c: c.create_collection("c1", schema=data.schema())),
    ("index", "CreateIndex", lambda c: c.create_index("c1", data.index())),
    ("load", "Load", lambda c: c.load_collection("c1")),
    ("insert", "Insert", lambda c: c.insert("c1", data.rows(0, 1, 2))),
    ("upsert", "Upsert", lambda c: c.upsert("c1", data.rows(2, 3))),
    ("flush", "Flush", lambda c: c.flush("c1")),
    ("search", "Search", lambda c: c.search("c1", [data.vector(1)], limit=1)),
    ("query", "Query", lambda c: c.query("c1", "id >= 0", output_fields=["id"])),
    ("get", "Query", lambda c: c.get("c1", [1])),
    ("delete", "Delete", lambda c: c.delete("c1", ids=[3])),
    ("statistics", "GetStatistics", lambda c: c.get_collection_stats("c1")),
    ("load state", "GetLoadState", lambda c: c.get_load_state("c1")),
    ("describe", "DescribeCollection", lambda c: c.describe_collection("c1")),
    ("describe the index", "IndexDetail", lambda c: c.describe_index("c1", "vector")),
    ("create a partition", "CreatePartition", lambda c: c.create_partition("c1", "p1")),
    ("has a partition", "HasPartition", lambda c: c.has_partition("c1", "p1")),
    ("partitions", "ShowPartitions", lambda c: c.list_partitions("c1")),
    ("drop the partition", "DropPartition", lambda c: c.drop_partition("c1", "p1")),
    ("create an alias", "CreateAlias", lambda c: c.create_alias("c1", "a1")),
    ("describe the alias", "DescribeAlias", lambda c: c.describe_alias("a1")),
    ("aliases", "ListAliases", lambda c: c.list_aliases("c1")),
    ("drop the alias", "DropAlias", lambda c: c.drop_alias("a1")),
    ("compact", "Compaction", lambda c: c.compact("c1")),
    ("release", "Release", lambda c: c.release_collection("c1")),
    ("drop the index", "DropIndex", lambda c: c.drop_index("c1", "vector")),
    ("rename", "RenameCollection", lambda c: c.rename_collection("c1", "c2")),
    ("truncate", "DropCollection", lambda c: c.truncate_collection("c2")),
    ("drop", "DropCollection", lambda c: c.drop_collection("c2")),
    ("drop the database", "DropDatabase", lambda c: c.drop_database("db1")),
]
PUBLIC = {"DescribeCollection", "ListAliases", "IndexDetail"}


def check(root, user, privileges):
    """Who may not, is refused with the privilege's name; root does it then."""
    wrong = {}
    for name, privilege, step in STEPS:
        try:
            step(user)
            refusal = None
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.PERMISSION_DENIED, (name, error)
            refusal = error.details()
            step(root)
        database = "*" if privilege in CLUSTER_LEVEL else "default"
        expected = None if privilege in privileges | PUBLIC else harness.denial(privilege, database=database)
        if refusal != expected:
            wrong[name] = refusal
    assert wrong == {}


def scope(group):
    """Where a group is granted: as narrowly as it can be."""
    if group.startswith("Cluster"):
        return {"collection_name": "*", "db_name": "*"}
    if group.startswith("Database"):
        return {"collection_name": "*", "db_name": "default"}
    return {"collection_name": "c1", "db_name": "default"}


@pytest.mark.parametrize("group", BUILT_IN_GROUPS)
def test_with_one_group(server, root, u1, group):
    root.grant_privilege_v2("r1", group, **scope(group))
    check(root, server.client("u1"), set(BUILT_IN_GROUPS[group]))


def test_with_none(server, root, u1):
    check(root, server.client("u1"), set())


def test_with_two_roles(server, root, u1):
    root.create_role("r2")
    root.grant_role("u1", "r2")
    root.grant_privilege_v2("r1", "DatabaseAdmin", **scope("DatabaseAdmin"))
    root.grant_privilege_v2("r2", "CollectionAdmin", **scope("CollectionAdmin"))
    check(root, server.client("u1"), {*DATABASE_ADMIN, *COLLECTION_ADMIN})


def test_with_a_group_of_ones_own(server, root, u1):
    root.create_privilege_group("writers")
    root.add_privileges_to_group("writers", ["Insert", "Upsert", "Delete"])
    root.grant_privilege_v2("r1", "writers", "c1")
    check(root, server.client("u1"), {"Insert", "Upsert", "Delete"})


@pytest.mark.parametrize("group", [g for g in BUILT_IN_GROUPS if g.startswith("Collection")])
def test_on_another_collection(server, root, u1, recorder, group):
    """What the group gives on a collection is given on no other."""
    data.fill(root, "c1")
    data.fill(root, "c2")
    root.grant_privilege_v2("r1", group, "c1")
    client = server.client("u1")
    assert client.query("c1", "id >= 0", output_fields=["id"]) == [{"id": 0}, {"id": 1}, {"id": 2}]
    recorder.calls.clear()
    with harness.denied("Query", database="default"):
        client.query("c2", "id >= 0", output_fields=["id"])
    assert "Query" not in recorder.rpcs()
