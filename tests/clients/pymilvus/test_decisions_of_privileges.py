"""What single privileges allow: on collections, databases, users and the instance."""

import pytest

from decisions import OTHER_USER, check, cluster_may_not, may, may_not, v1, v2

# By kind of grant: the grants of a role, and what its user may and may not.
DECISIONS = {
    "nothing": (
        [],
        [
            # By the role public.
            may("DescribeCollection", "db1", "c1"),
            may("DescribeIndex", "db1", "c1"),
            may("ListAliases", "db1", "c1"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("Search", "Search", None, "c1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
            cluster_may_not("CreateDatabase", "CreateDatabase", db_name="db1"),
        ],
    ),
    "a privilege on a collection": (
        [v2("Search", "c1", "db1")],
        [
            may("Search", "db1", "c1"),
            may("HybridSearch", "db1", "c1"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db1", "c"),
            may_not("Search", "Search", "db1", "c11"),
            may_not("Search", "Search", "db1", "*"),
            may_not("Search", "Search", "db1", ""),
            may_not("Search", "Search", "db2", "c1"),
            may_not("Search", "Search", "default", "c1"),
            may_not("Search", "Search", None, "c1"),
            may_not("Query", "Query", "db1", "c1"),
            may_not("Insert", "Insert", "db1", "c1"),
        ],
    ),
    "a privilege on a collection, v1": (
        [v1("Collection", "Insert", "c1", "db1")],
        [
            may("Insert", "db1", "c1"),
            may_not("Insert", "Insert", "db1", "c2"),
            may_not("Insert", "Insert", "db2", "c1"),
            may_not("Delete", "Delete", "db1", "c1"),
        ],
    ),
    "a privilege on all collections of a database": (
        [v2("Search", "*", "db1")],
        [
            may("Search", "db1", "c1"),
            may("Search", "db1", "any_other"),
            may("Search", "db1", ""),
            may_not("Search", "Search", "db2", "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "a privilege everywhere": (
        [v2("Search", "*", "*")],
        [
            may("Search", "db1", "c1"),
            may("Search", "no_such_database", "c1"),
            may("Search", None, "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "a privilege on collections of several databases": (
        [v2("Search", "c1", "db1"), v2("Search", "c2", "db2")],
        [
            may("Search", "db1", "c1"),
            may("Search", "db2", "c2"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db2", "c1"),
        ],
    ),
    "related privileges": (
        [v2("Load", "c1"), v2("Flush", "c1")],
        [
            may("LoadCollection", "default", "c1"),
            may("GetLoadState", "default", "c1"),
            may("GetLoadingProgress", "default", "c1"),
            may("Flush", "default", collection_names=["c1"]),
            may("GetFlushState", "default", "c1"),
            may_not("ReleaseCollection", "Release", "default", "c1"),
        ],
    ),
    "a privilege on several collections of one request": (
        [v2("Flush", "c1"), v2("Flush", "c2")],
        [
            may("Flush", "default", collection_names=["c1"]),
            may("Flush", "default", collection_names=["c1", "c2"]),
            may_not("Flush", "Flush", "default", collection_names=["c1", "c2", "c3"]),
            may_not("Flush", "Flush", "db1", collection_names=["c1"]),
        ],
    ),
    "a cluster privilege granted under default": (
        [v1("Global", "SelectOwnership", "*")],
        [
            may("ListCredUsers"),
            may("SelectRole"),
            cluster_may_not("SelectUser", "SelectUser", **OTHER_USER),
        ],
    ),
    "a cluster privilege granted under a database": (
        [v2("CreateDatabase", "*", "db1")],
        [
            may("CreateDatabase", db_name="db9"),
            cluster_may_not("DropDatabase", "DropDatabase", db_name="db9"),
        ],
    ),
    "a database privilege": (
        [v1("Global", "CreateCollection", "*", "db1")],
        [
            may("CreateCollection", "db1", "c1"),
            may("AlterCollection", "db1", "c1"),
            may_not("CreateCollection", "CreateCollection", "db2", "c1"),
            may_not("CreateCollection", "CreateCollection", None, "c1"),
            may_not("DropCollection", "DropCollection", "db1", "c1"),
        ],
    ),
    "SelectUser on one user": (
        [v1("User", "SelectUser", "u2")],
        [
            may("SelectUser", **OTHER_USER),
            cluster_may_not("SelectUser", "SelectUser", user={"name": "root"}),
            cluster_may_not("SelectUser", "SelectUser"),
            cluster_may_not("UpdateCredential", "UpdateUser", username="u2", description="d"),
        ],
    ),
    "UpdateUser on one user": (
        [v1("User", "UpdateUser", "u2")],
        [
            may("UpdateCredential", username="u2", description="d"),
            cluster_may_not("UpdateCredential", "UpdateUser", username="root", description="d"),
            cluster_may_not("SelectUser", "SelectUser", **OTHER_USER),
        ],
    ),
    "SelectUser on all users": (
        [v2("SelectUser", "*", "*")],
        [
            may("SelectUser", **OTHER_USER),
            may("SelectUser"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_decisions(server, prepared, case):
    check(server, prepared, *DECISIONS[case])
