"""What the privilege `*`, All and the role admin allow."""

import pytest

from decisions import OTHER_USER, check, cluster_may_not, may, may_not, v1, v2

# By kind of grant: the grants of a role, and what its user may and may not.
DECISIONS = {
    "everything on a collection, v1": (
        [v1("Collection", "*", "c1")],
        [
            may("Search", "default", "c1"),
            may("Insert", "default", "c1"),
            may("LoadCollection", "default", "c1"),
            may_not("Search", "Search", "default", "c2"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("CreateCollection", "CreateCollection", "default", "c1"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
    "everything global of a database, v1": (
        [v1("Global", "*", "*", "db1")],
        [
            may("CreateCollection", "db1", "c1"),
            may("AlterDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db2", "c1"),
            may_not("Search", "Search", "db1", "c1"),
        ],
    ),
    "everything global, v1": (
        [v1("Global", "*", "*", "*")],
        [
            may("CreateCollection", "db1", "c1"),
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            may_not("Search", "Search", "db1", "c1"),
        ],
    ),
    "everything on a collection, v2": (
        [v2("*", "c1", "db1")],
        [
            may("Search", "db1", "c1"),
            may("Insert", "db1", "c1"),
            may("CreateAlias", "db1", "c1", alias="a1"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db2", "c1"),
            may_not("CreateAlias", "CreateAlias", "db1", "c2", alias="a1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
    "All on a database": (
        [v1("Global", "All", "*")],
        [
            may("Search", "default", "c1"),
            may("CreateCollection", "default", "c1"),
            may("DescribeDatabase", "default"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("DescribeDatabase", "DescribeDatabase", "db1"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
            cluster_may_not("CreateDatabase", "CreateDatabase", db_name="db9"),
            cluster_may_not("SelectUser", "SelectUser", **OTHER_USER),
        ],
    ),
    "All on all databases": (
        [v2("All", "*", "*")],
        [
            may("Search", "default", "c1"),
            may("Search", "db1", "c1"),
            may("CreateCollection", "db1", "c1"),
            may("DescribeDatabase", "db1"),
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            may("SelectUser", **OTHER_USER),
        ],
    ),
    "the role admin": (
        [lambda root: root.grant_role("u1", "admin")],
        [
            may("Search", "db1", "c1"),
            may("CreateCollection", "db1", "c1"),
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            may("DescribeDatabase", "db1"),
            may("SelectUser", **OTHER_USER),
        ],
    ),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_decisions(server, prepared, case):
    check(server, prepared, *DECISIONS[case])
