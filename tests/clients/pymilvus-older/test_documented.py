"""The Python examples of Milvus' user documentation and of our README, with these releases."""

import subprocess
import sys

import pytest

from facts import BUILT_IN_GROUPS
from harness import PASSWORD, clean_environment, denied, everything, groups
from older import DESCRIPTIONS, described_role, described_user, privilege
from test_readme import OUTPUT, README


@pytest.fixture
def story(client):
    """privilege_group.md and grant_privileges.md up to the grants; commas that the page lacks are added."""
    client.create_role(role_name="role_a")
    client.create_privilege_group(group_name="privilege_group_1")
    client.add_privileges_to_group(group_name="privilege_group_1", privileges=["Query", "Search"])
    client.grant_privilege_v2(
        role_name="role_a", privilege="Search", collection_name="collection_01", db_name="default"
    )
    client.grant_privilege_v2(
        role_name="role_a",
        privilege="privilege_group_1",
        collection_name="collection_01",
        db_name="default",
    )
    client.grant_privilege_v2(
        role_name="role_a", privilege="ClusterReadOnly", collection_name="*", db_name="*"
    )


def test_list_privilege_groups(client, story):
    assert list(groups(client)) == ["privilege_group_1", *BUILT_IN_GROUPS]
    assert groups(client)["privilege_group_1"] == ["Query", "Search"]


def test_describe_role(client, story):
    assert client.describe_role(role_name="role_a") == described_role(
        "role_a",
        privilege("role_a", "Search", "Collection", "collection_01"),
        privilege("role_a", "ClusterReadOnly", "Global", "*", "*"),
        privilege("role_a", "privilege_group_1", "Global", "collection_01"),
    )


def test_what_is_granted_holds(client, connect, story):
    client.create_user(user_name="user_1", password=PASSWORD)
    client.grant_role(user_name="user_1", role_name="role_a")
    assert client.describe_user(user_name="user_1") == described_user("user_1", "role_a")
    user = connect("user_1")
    assert user.list_roles() == ["admin", "public", "role_a"]
    with denied("CreateOwnership", "user_1"):
        user.create_role(role_name="role_b")
    client.revoke_privilege_v2(
        role_name="role_a", privilege="ClusterReadOnly", collection_name="*", db_name="*"
    )
    with denied("SelectOwnership", "user_1"):
        user.list_roles()


def test_revoke_and_remove(client, story):
    for name, collection, database in [
        ("Search", "collection_01", "default"),
        ("privilege_group_1", "collection_01", "default"),
        ("ClusterReadOnly", "*", "*"),
    ]:
        client.revoke_privilege_v2(
            role_name="role_a", privilege=name, collection_name=collection, db_name=database
        )
    assert client.describe_role(role_name="role_a", db_name="*") == described_role("role_a")
    client.remove_privileges_from_group(group_name="privilege_group_1", privileges=["Search"])
    assert groups(client)["privilege_group_1"] == ["Query"]
    client.drop_privilege_group(group_name="privilege_group_1")
    client.drop_role(role_name="role_a")
    assert list(groups(client)) == list(BUILT_IN_GROUPS)
    assert client.list_roles() == ["admin", "public"]


@pytest.mark.parametrize(
    "name, collection, database",
    [
        ("CollectionAdmin", "col1", "db1"),
        ("CollectionAdmin", "*", "db1"),
        ("DatabaseAdmin", "*", "db1"),
        ("DatabaseAdmin", "*", "*"),
        ("ClusterAdmin", "*", "*"),
    ],
)
def test_each_level_of_resource(client, name, collection, database):
    client.create_role(role_name="roleA")
    client.grant_privilege_v2(
        role_name="roleA", privilege=name, collection_name=collection, db_name=database
    )
    assert client.describe_role(role_name="roleA", db_name=database) == described_role(
        "roleA", privilege("roleA", name, "Global", collection, database)
    )


def test_describe_role_as_shown(client):
    """describe_role.md. The page shows a hosted service, where every grantor is called *."""
    client.create_role(role_name="db_ro")
    for name in ("Load", "IndexDetail", "Query", "Search"):
        client.grant_privilege("db_ro", "Collection", name, "*")
    for name in ("DescribeCollection", "ListDatabases", "ShowCollections"):
        client.grant_privilege("db_ro", "Global", name, "*")
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
    assert client.describe_role(role_name="db_ro") == described_role(
        "db_ro", *(privilege("db_ro", name, object_type, "*") for object_type, name in shown)
    )


def test_revoke_privilege_v2_as_shown(client):
    """revoke_privilege_v2.md. The page mixes up the names of two roles, misspells the last call, and puts
    privileges of two levels into the group, which Milvus refuses after 2.5.0."""
    client.create_privilege_group(group_name="my_privilege_group")
    client.add_privileges_to_group(group_name="my_privilege_group", privileges=["DescribeDatabase"])
    client.create_role(role_name="read_only")
    client.grant_privilege_v2(role_name="read_only", privilege="my_privilege_group", collection_name="*")
    assert [g["privilege"] for g in client.describe_role("read_only")["privileges"]] == ["my_privilege_group"]
    client.revoke_privilege_v2(role_name="read_only", privilege="my_privilege_group", collection_name="*")
    assert client.describe_role("read_only") == described_role("read_only")


def test_readme(server, root, tmp_path):
    """The example of the README, which names a newer release."""
    source = README.split("```python\n")[1].split("```")[0]
    script = tmp_path / "example.py"
    script.write_text(source.replace("localhost:19530", server.address))
    expected = OUTPUT
    if not DESCRIPTIONS:
        expected = expected.replace(", 'description': ''", "")
    before = everything(root)
    result = subprocess.run(
        [sys.executable, script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        env=clean_environment(),
        text=True,
        timeout=50,
    )
    assert result.stdout == expected, result.stderr
    assert result.returncode == 0, result.stderr
    assert everything(root) == before
