"""What privilege groups allow: built-in, custom and legacy ones."""

import pytest

from decisions import (
    NEW_USER,
    OTHER_USER,
    check,
    cluster_may_not,
    group,
    group_of_groups,
    may,
    may_not,
    v1,
    v2,
)

# What Admin allows on a database that is neither `*` nor default.
ADMIN_OF_DB1 = [
    may("Insert", "db1", "c1"),
    may("Insert", "db1", "c2"),
    may("CreateCollection", "db1", "c1"),
    may("DescribeDatabase", "db1"),
    may("AlterDatabase", "db1"),
    may_not("Insert", "Insert", "default", "c1"),
    may_not("Insert", "Insert", "db2", "c1"),
    may_not("CreateCollection", "CreateCollection", None, "c1"),
    may_not("DescribeDatabase", "DescribeDatabase", "db2"),
    cluster_may_not("ListCredUsers", "SelectOwnership"),
    cluster_may_not("CreateCredential", "CreateOwnership", **NEW_USER),
    cluster_may_not("OperateUserRole", "ManageOwnership", username="u1", role_name="admin"),
    cluster_may_not("SelectUser", "SelectUser", **OTHER_USER),
    cluster_may_not("UpdateCredential", "UpdateUser", username="u2", description="d"),
    cluster_may_not("CreateDatabase", "CreateDatabase", db_name="db9"),
    cluster_may_not("DropDatabase", "DropDatabase", db_name="db1"),
    cluster_may_not("BackupRBAC", "BackupRBAC"),
]

# By kind of grant: the grants of a role, and what its user may and may not.
DECISIONS = {
    "CollectionReadOnly": (
        [v2("CollectionReadOnly", "c1")],
        [
            may("Query", "default", "c1"),
            may("Search", "default", "c1"),
            may("GetLoadState", "default", "c1"),
            may("HasPartition", "default", "c1"),
            may("GetCollectionStatistics", "default", "c1"),
            may("ListSnapshots", "default", "c1"),
            may_not("Query", "Query", "default", "c2"),
            may_not("Query", "Query", "db1", "c1"),
            may_not("Insert", "Insert", "default", "c1"),
            may_not("LoadCollection", "Load", "default", "c1"),
            may_not("CreateIndex", "CreateIndex", "default", "c1"),
        ],
    ),
    "CollectionReadWrite": (
        [v2("CollectionReadWrite", "c1")],
        [
            may("Insert", "default", "c1"),
            may("Upsert", "default", "c1"),
            may("Delete", "default", "c1"),
            may("CreateIndex", "default", "c1"),
            may("DropIndex", "default", "c1"),
            may("LoadCollection", "default", "c1"),
            may("CreatePartition", "default", "c1"),
            may("ManualCompaction", "default", "c1"),
            may("AddCollectionField", "default", "c1"),
            may_not("Insert", "Insert", "default", "c2"),
            may_not("CreateAlias", "CreateAlias", "default", "c1"),
            may_not("DropCollection", "DropCollection", "default", "c1"),
        ],
    ),
    "CollectionAdmin": (
        [v2("CollectionAdmin", "c1")],
        [
            may("Insert", "default", "c1"),
            may("CreateAlias", "default", "c1", alias="a1"),
            may("DropAlias", "default", alias="a1"),
            may("RestoreSnapshot", "default", "c1"),
            may_not("Insert", "Insert", "default", "c2"),
            may_not("DropCollection", "DropCollection", "default", "c1"),
            may_not("CreateCollection", "CreateCollection", "default", "c1"),
        ],
    ),
    "CollectionAdmin on all collections": (
        [v2("CollectionAdmin", "*", "*")],
        [
            may("Insert", "default", "c1"),
            may("Insert", "db1", "c2"),
            may_not("CreateCollection", "CreateCollection", "db1", "c2"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
    "DatabaseReadOnly": (
        [v2("DatabaseReadOnly", "*", "db1")],
        [
            may("DescribeDatabase", "db1"),
            may_not("DescribeDatabase", "DescribeDatabase", "db2"),
            may_not("DescribeDatabase", "DescribeDatabase", "default"),
            may_not("AlterDatabase", "AlterDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
        ],
    ),
    "DatabaseReadWrite": (
        [v2("DatabaseReadWrite", "*", "db1")],
        [
            may("DescribeDatabase", "db1"),
            may("AlterDatabase", "db1"),
            may_not("AlterDatabase", "AlterDatabase", "db2"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
        ],
    ),
    "DatabaseAdmin": (
        [v2("DatabaseAdmin", "*", "db1")],
        [
            may("CreateCollection", "db1", "c1"),
            may("DropCollection", "db1", "c1"),
            may("RenameCollection", "db1", oldName="c1", newName="c2", newDBName="db1"),
            may("AlterDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db2", "c1"),
            may_not("Insert", "Insert", "db1", "c1"),
            cluster_may_not("DropDatabase", "DropDatabase", db_name="db1"),
        ],
    ),
    "DatabaseAdmin everywhere": (
        [v2("DatabaseAdmin", "*", "*")],
        [
            may("CreateCollection", "db1", "c1"),
            may("DescribeDatabase", "db2"),
            may_not("Insert", "Insert", "db1", "c1"),
            cluster_may_not("CreateDatabase", "CreateDatabase", db_name="db3"),
        ],
    ),
    "ClusterReadOnly": (
        [v2("ClusterReadOnly", "*", "*")],
        [
            may("ListCredUsers"),
            may("SelectRole"),
            may("SelectUser", **OTHER_USER),
            may("SelectGrant", entity={"role": {"name": "admin"}}),
            may("ListPrivilegeGroups"),
            may("ListResourceGroups"),
            cluster_may_not("CreateCredential", "CreateOwnership", **NEW_USER),
            cluster_may_not("UpdateCredential", "UpdateUser", username="u2", description="d"),
            cluster_may_not("FlushAll", "FlushAll"),
            cluster_may_not("BackupRBAC", "BackupRBAC"),
            may_not("DescribeDatabase", "DescribeDatabase", "db1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "ClusterReadWrite": (
        [v2("ClusterReadWrite", "*", "*")],
        [
            may("ListCredUsers"),
            may("FlushAll"),
            may("TransferNode"),
            cluster_may_not("CreateRole", "CreateOwnership", entity={"name": "r9"}),
            cluster_may_not("DropResourceGroup", "DropResourceGroup"),
        ],
    ),
    "ClusterAdmin": (
        [v2("ClusterAdmin", "*", "*")],
        [
            may("CreateCredential", **NEW_USER),
            may("UpdateCredential", username="u2", description="d"),
            may("DeleteCredential", username="u3"),
            may("CreateRole", entity={"name": "r9"}),
            may("AlterRole", role_name="r9", description="d"),
            may("OperateUserRole", username="u2", role_name="r9"),
            may("DropRole", role_name="r9"),
            may("CreatePrivilegeGroup", group_name="g9"),
            may("DropPrivilegeGroup", group_name="g9"),
            may("CreateDatabase", db_name="db9"),
            may("DropDatabase", db_name="db9"),
            may("BackupRBAC"),
            may("RestoreRBAC"),
            may("CreateResourceGroup"),
            may_not("DescribeDatabase", "DescribeDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "ReadOnly, v1": (
        [v1("Collection", "ReadOnly", "c1")],
        [
            may("Search", "default", "c1"),
            may("Query", "default", "c1"),
            may_not("Search", "Search", "default", "c2"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("Insert", "Insert", "default", "c1"),
        ],
    ),
    "ReadWrite, v1": (
        [v1("Collection", "ReadWrite", "c1")],
        [
            may("Search", "default", "c1"),
            may("Insert", "default", "c1"),
            may("CreateIndex", "default", "c1"),
            may_not("Insert", "Insert", "default", "c2"),
            may_not("CreateCollection", "CreateCollection", "default", "c1"),
        ],
    ),
    "Admin, v1": (
        # Clients of the first generation store what is for the whole instance under default.
        [v1("Global", "Admin", "*")],
        [
            may("Insert", "default", "c1"),
            may("CreateCollection", "default", "c1"),
            may("CreateCredential", **NEW_USER),
            may("SelectUser", **OTHER_USER),
            may("CreateDatabase", db_name="db9"),
            may("DescribeDatabase", "default"),
            may_not("Insert", "Insert", "db1", "c1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
            cluster_may_not("FlushAll", "FlushAll"),
            cluster_may_not("CreatePrivilegeGroup", "CreatePrivilegeGroup", group_name="g9"),
        ],
    ),
    "Admin, v1, on all databases": (
        [v1("Global", "Admin", "*", "*")],
        [
            may("Insert", "db1", "c1"),
            may("CreateCollection", "db2", "c1"),
            may("DescribeDatabase", "default"),
            may("CreateCredential", **NEW_USER),
            may("SelectUser", **OTHER_USER),
            may("CreateDatabase", db_name="db9"),
            cluster_may_not("FlushAll", "FlushAll"),
        ],
    ),
    "Admin, v1, on another database": ([v1("Global", "Admin", "*", "db1")], ADMIN_OF_DB1),
    "Admin, v1, on what could be a collection": ([v1("Global", "Admin", "c1", "db1")], ADMIN_OF_DB1),
    "Admin, v2, on another database": ([v2("Admin", "*", "db1")], ADMIN_OF_DB1),
    "Admin by its odd spelling, on another database": ([v2("GroupAdmin", "*", "db1")], ADMIN_OF_DB1),
    "Admin within a group, on another database": (
        # The legacy groups alone count there.
        [group_of_groups("Admin", on=("c1", "db1"))],
        ADMIN_OF_DB1,
    ),
    "Admin, v2": (
        [v2("Admin", "*")],
        [
            may("Insert", "default", "c1"),
            may("ListCredUsers"),
            may_not("Insert", "Insert", "db1", "c1"),
        ],
    ),
    "a group on a collection": (
        [group("Search", "Insert", on=("c1", "db1"))],
        [
            may("Search", "db1", "c1"),
            may("Insert", "db1", "c1"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db2", "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "a group on the instance": (
        [group("SelectOwnership", "CreateDatabase", on=("*", "*"))],
        [
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            cluster_may_not("DropDatabase", "DropDatabase", db_name="db9"),
        ],
    ),
    "a group within a group": (
        # It gives nothing.
        [group_of_groups("CollectionReadOnly", on=("c1", "db1"))],
        [may_not("Search", "Search", "db1", "c1")],
    ),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_decisions(server, prepared, case):
    check(server, prepared, *DECISIONS[case])
