"""What only pymilvus 2.5 does."""

import asyncio

import pymilvus
import pytest
from pymilvus import AsyncMilvusClient, MilvusClient

import compat
from harness import PASSWORD, grants
from older import REQUIREMENTS


def test_version():
    assert f"pymilvus=={pymilvus.__version__}\n" in REQUIREMENTS.read_text()


def test_the_asynchronous_client_has_no_method_of_access_control():
    found = [method for method in compat.CLIENT_METHODS if hasattr(AsyncMilvusClient, method)]
    assert found == ["__init__", "close"]


def test_the_asynchronous_client_connects(server):
    async def connect():
        client = AsyncMilvusClient(f"http://{server.address}", token="root:Milvus")
        await client.close()

    asyncio.run(connect())


@pytest.mark.parametrize("method", ["update_user", "alter_role"])
def test_there_are_no_descriptions(method):
    assert not hasattr(MilvusClient, method)


def test_descriptions_of_others_do_no_harm(root, server):
    wire = server.wire()
    wire.ok("CreateRole", entity={"name": "r1"})
    root.create_user("u1", PASSWORD)
    assert root.describe_role("r1") == {"role": "r1", "privileges": []}
    assert root.describe_user("u1") == {"user_name": "u1", "roles": ()}


def test_clients_of_one_login_and_database_share_a_connection(server):
    """The second one is not even asked whether its password is right."""
    uri = f"http://{server.address}"
    first = MilvusClient(uri, user="root", password="Milvus")
    second = MilvusClient(uri, user="root", password="wrong password")
    second.create_role("r1")
    assert first.list_roles() == ["admin", "public", "r1"]
    # Not so with another database.
    first.create_database("db1")
    third = MilvusClient(uri, user="root", password="Milvus", db_name="db1")
    third.grant_privilege_v2("r1", "Search", "c1")
    assert grants(first, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]
    third.close()
    second.close()


def test_idle_connections_are_kept(root):
    """A call with a deadline, of which only whole seconds count, and one without."""
    assert list(root.list_users(timeout=5)) == ["root"]
    assert list(root.list_users()) == ["root"]
