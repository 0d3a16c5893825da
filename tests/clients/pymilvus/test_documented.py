"""The Python examples of Milvus' user documentation. They run as written, but for slips that keep them
from running anywhere; each of those is named where it stands."""

import pytest

from facts import BUILT_IN_GROUPS
from harness import PASSWORD, ROOT_PASSWORD, groups, refused


@pytest.fixture
def client(root):
    return root


@pytest.fixture
def role_a(client):
    client.create_role(role_name="role_a")


@pytest.fixture
def privilege_group_1(client):
    """privilege_group.md, up to the removal."""
    client.create_privilege_group(group_name="privilege_group_1")
    client.add_privileges_to_group(group_name="privilege_group_1", privileges=["Query", "Search"])


def test_create_and_list_a_privilege_group(client, privilege_group_1):
    first, *built_in = client.list_privilege_groups()
    assert first["privilege_group"] == "privilege_group_1"
    assert isinstance(first["privileges"], tuple)
    assert sorted(first["privileges"]) == ["Query", "Search"]
    assert [group["privilege_group"] for group in built_in] == list(BUILT_IN_GROUPS)


def test_remove_privileges_from_a_group(client, privilege_group_1):
    # The page passes the text 'Search', which pymilvus itself refuses.
    client.remove_privileges_from_group(group_name="privilege_group_1", privileges=["Search"])
    assert groups(client)["privilege_group_1"] == ["Query"]


def test_drop_a_privilege_group(client, privilege_group_1):
    client.drop_privilege_group(group_name="privilege_group_1")
    assert list(groups(client)) == list(BUILT_IN_GROUPS)


# The ticks of the tables of privilege_group.md, column by column.
DOCUMENTED_GROUPS = {
    "CollectionReadOnly": """
        Query Search IndexDetail GetFlushState GetLoadState GetLoadingProgress HasPartition
        ShowPartitions ListAliases DescribeCollection DescribeAlias GetStatistics""",
    "CollectionReadWrite": """
        Query Search IndexDetail GetFlushState GetLoadState GetLoadingProgress HasPartition
        ShowPartitions ListAliases DescribeCollection DescribeAlias GetStatistics CreateIndex DropIndex
        CreatePartition DropPartition Load Release Insert Delete Upsert Import Flush Compaction
        LoadBalance""",
    "CollectionAdmin": """
        Query Search IndexDetail GetFlushState GetLoadState GetLoadingProgress HasPartition
        ShowPartitions ListAliases DescribeCollection DescribeAlias GetStatistics CreateIndex DropIndex
        CreatePartition DropPartition Load Release Insert Delete Upsert Import Flush Compaction
        LoadBalance CreateAlias DropAlias""",
    "DatabaseReadOnly": "ShowCollections DescribeDatabase CreateCollection",
    "DatabaseReadWrite": "ShowCollections DescribeDatabase CreateCollection AlterDatabase",
    "DatabaseAdmin": "ShowCollections DescribeDatabase CreateCollection DropCollection AlterDatabase",
    "ClusterReadOnly": """
        ListDatabases SelectOwnership SelectUser DescribeResourceGroup ListResourceGroups""",
    "ClusterReadWrite": """
        ListDatabases SelectOwnership SelectUser UpdateResourceGroups DescribeResourceGroup
        ListResourceGroups TransferNode TransferReplica FlushAll""",
    "ClusterAdmin": """
        ListDatabases RenameCollection CreateOwnership UpdateUser DropOwnership SelectOwnership
        ManageOwnership SelectUser BackupRBAC RestoreRBAC CreateResourceGroup DropResourceGroup
        UpdateResourceGroups DescribeResourceGroup ListResourceGroups TransferNode TransferReplica
        CreateDatabase DropDatabase FlushAll CreatePrivilegeGroup DropPrivilegeGroup
        ListPrivilegeGroups OperatePrivilegeGroup""",
}

# Ticked on the page, but not in Milvus' lists, which we follow.
DOCUMENTED_ONLY = {
    ("DatabaseReadOnly", "CreateCollection"),
    ("DatabaseReadWrite", "CreateCollection"),
    ("ClusterAdmin", "RenameCollection"),
}


@pytest.mark.parametrize("group", DOCUMENTED_GROUPS)
def test_the_built_in_groups_hold_what_is_ticked(client, group):
    missing = set(DOCUMENTED_GROUPS[group].split()) - set(groups(client)[group])
    assert {(group, privilege) for privilege in missing} == {
        pair for pair in DOCUMENTED_ONLY if pair[0] == group
    }


# grant_privileges.md, first table: the privilege, what it is granted on, how it is stored.
RESOURCES = [
    ("CollectionAdmin", "col1", "db1"),
    ("CollectionAdmin", "*", "db1"),
    ("DatabaseAdmin", "*", "db1"),
    ("DatabaseAdmin", "*", "*"),
    ("ClusterAdmin", "*", "*"),
]


@pytest.mark.parametrize("privilege, collection_name, db_name", RESOURCES)
def test_each_level_of_resource(client, privilege, collection_name, db_name):
    client.create_role(role_name="roleA")
    client.grant_privilege_v2(
        role_name="roleA", privilege=privilege, collection_name=collection_name, db_name=db_name
    )
    assert client.describe_role(role_name="roleA", db_name=db_name)["privileges"] == [
        {
            "object_type": "Global",
            "object_name": collection_name,
            "db_name": db_name,
            "role_name": "roleA",
            "privilege": privilege,
            "grantor_name": "root",
        }
    ]


@pytest.fixture
def granted(client, role_a, privilege_group_1):
    """grant_privileges.md; the page lacks commas between the arguments."""
    client.grant_privilege_v2(
        role_name="role_a",
        privilege="Search",
        collection_name="collection_01",
        db_name="default",
    )
    client.grant_privilege_v2(
        role_name="role_a",
        privilege="privilege_group_1",
        collection_name="collection_01",
        db_name="default",
    )
    client.grant_privilege_v2(
        role_name="role_a",
        privilege="ClusterReadOnly",
        collection_name="*",
        db_name="*",
    )


def test_describe_role_after_the_grants(client, granted):
    def entry(object_type, object_name, db_name, privilege):
        return {
            "object_type": object_type,
            "object_name": object_name,
            "db_name": db_name,
            "role_name": "role_a",
            "privilege": privilege,
            "grantor_name": "root",
        }

    assert client.describe_role(role_name="role_a") == {
        "role": "role_a",
        "description": "",
        "privileges": [
            entry("Collection", "collection_01", "default", "Search"),
            entry("Global", "*", "*", "ClusterReadOnly"),
            entry("Global", "collection_01", "default", "privilege_group_1"),
        ],
    }


def test_revoke_the_grants(client, granted):
    client.revoke_privilege_v2(
        role_name="role_a",
        privilege="Search",
        collection_name="collection_01",
        db_name="default",
    )
    client.revoke_privilege_v2(
        role_name="role_a",
        privilege="privilege_group_1",
        collection_name="collection_01",
        db_name="default",
    )
    client.revoke_privilege_v2(
        role_name="role_a",
        privilege="ClusterReadOnly",
        collection_name="*",
        db_name="*",
    )
    assert client.describe_role(role_name="role_a")["privileges"] == []
    client.drop_privilege_group(group_name="privilege_group_1")
    client.drop_role(role_name="role_a")
    assert client.list_roles() == ["admin", "public"]


def test_describe_role_as_shown(client):
    """describe_role.md. The page shows a hosted service, where every grantor is called *."""
    client.create_role(role_name="db_ro")
    for privilege in ("Load", "IndexDetail", "Query", "Search"):
        client.grant_privilege("db_ro", "Collection", privilege, "*")
    for privilege in ("DescribeCollection", "ListDatabases", "ShowCollections"):
        client.grant_privilege("db_ro", "Global", privilege, "*")
    shown = [
        ("Collection", "GetLoadState"),
        ("Collection", "GetLoadingProgress"),
        ("Collection", "IndexDetail"),
        ("Collection", "Load"),
        ("Collection", "Query"),
        ("Collection", "Search"),
        ("Global", "DescribeCollection"),
        ("Global", "ListDatabases"),
        ("Global", "ShowCollections"),
    ]
    # Every role's list also shows what it holds on all databases; this one holds nothing there.
    assert client.describe_role(role_name="db_ro") == {
        "role": "db_ro",
        "description": "",
        "privileges": [
            {
                "object_type": object_type,
                "object_name": "*",
                "db_name": "default",
                "role_name": "db_ro",
                "privilege": privilege,
                "grantor_name": "root",
            }
            for object_type, privilege in shown
        ],
    }


def test_revoke_privilege_v2_as_shown(client):
    """revoke_privilege_v2.md. The page creates the role read_only and goes on with db_read_only, and it
    misspells the last call."""
    client.create_privilege_group(group_name="my_privilege_group")
    client.add_privileges_to_group(group_name="my_privilege_group", privileges=["DescribeDatabase"])
    client.create_role(role_name="db_read_only")
    client.grant_privilege_v2(role_name="db_read_only", privilege="my_privilege_group", collection_name="*")
    assert [g["privilege"] for g in client.describe_role("db_read_only")["privileges"]] == [
        "my_privilege_group"
    ]
    client.revoke_privilege_v2(role_name="db_read_only", privilege="my_privilege_group", collection_name="*")
    assert client.describe_role("db_read_only")["privileges"] == []


def test_the_group_of_revoke_privilege_v2_mixes_levels(client):
    """The page's group has privileges on the instance and on databases. Milvus refuses that after 2.5.0,
    and so do we."""
    client.create_privilege_group(group_name="my_privilege_group")
    with refused(
        1100,
        "failed to check if privilege group alterable: privileges are not the same privilege level: "
        "invalid parameter",
    ):
        client.add_privileges_to_group(
            group_name="my_privilege_group", privileges=["ListDatabases", "DescribeDatabase"]
        )


def test_users_and_roles_from_start_to_end(start):
    """The way through all pages, with the server's defaults, the cost of password hashes included."""
    server = start(bcrypt_cost=None)
    client = server.client(token=f"root:{ROOT_PASSWORD}")
    client.create_user(user_name="user_1", password=PASSWORD)
    client.create_role(role_name="role_a")
    client.grant_role(user_name="user_1", role_name="role_a")
    assert client.describe_user(user_name="user_1") == {
        "user_name": "user_1",
        "roles": ("role_a",),
        "description": "",
    }
    client.grant_privilege_v2(
        role_name="role_a", privilege="ClusterReadOnly", collection_name="*", db_name="*"
    )
    user_1 = server.client("user_1")
    assert user_1.list_roles() == ["admin", "public", "role_a"]
    client.revoke_role(user_name="user_1", role_name="role_a")
    client.drop_role(role_name="role_a", force_drop=True)
    client.drop_user(user_name="user_1")
    assert list(client.list_users()) == ["root"]
