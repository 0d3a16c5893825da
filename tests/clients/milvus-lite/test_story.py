"""An application's story, through the server and without it."""

import contextlib

import pytest
from pymilvus import AsyncMilvusClient, MilvusClient

import data
import harness
from story import story

# What the story must show, whoever serves it.
EXPECTED = {
    "databases at first": ["default"],
    "databases": ["db1", "default"],
    "load state": {"state": "Loaded"},
    "has": True,
    "has not": False,
    "collections": ["c1"],
    "query": [{"id": 2, "color": "blue"}, {"id": 3, "color": "red"}],
    "count": [{"count(*)": 4}],
    "what is left": [{"id": 0}, {"id": 3}, {"id": 4}],
    "query it": [{"id": 9}],
    "partitions": ["_default", "p1"],
    "renamed": ["c2"],
    "dropped": [],
    "collections there": ["c1"],
    "databases in the end": ["default"],
}


@pytest.fixture
def without(lite):
    """What the story shows without the server."""
    client = MilvusClient(f"http://{lite.address}", dedicated=True)
    with contextlib.closing(client):
        shown = dict(story(client))
    lite.clear()
    return shown


def test_root(start, lite, without):
    shown = dict(story(start(lite).client()))
    assert {step: shown[step] for step in EXPECTED} == EXPECTED
    assert shown == without


def test_an_administrator(start, lite, without):
    server = start(lite)
    harness.add_user(server.client(), "u1", "admin")
    assert dict(story(server.client("u1"))) == without


def test_a_user_with_all_groups(start, lite, without):
    server = start(lite)
    root = server.client()
    root.create_role("r1")
    for group in ("ClusterAdmin", "DatabaseAdmin", "CollectionAdmin"):
        root.grant_privilege_v2("r1", group, "*", db_name="*")
    harness.add_user(root, "u1", "r1")
    assert dict(story(server.client("u1"))) == without


def test_authorization_off(start, lite, without):
    server = start(lite, "--authorization", "off")
    assert dict(story(server.client("nobody", "no password"))) == without


def test_async_client(start, lite):
    """It cannot create an index in Milvus Lite, which has no AllocTimestamp."""
    server = start(lite)
    data.fill(server.client(), "c1", count=0)
    client = server.async_client()
    assert isinstance(client._client, AsyncMilvusClient)
    client.insert("c1", data.rows(0, 1, 2))
    assert client.query("c1", "id > 1", output_fields=["id"]) == [{"id": 2}]
    assert [hit["id"] for hit in client.search("c1", [data.vector(1)], limit=1)[0]] == [1]
    client.delete("c1", ids=[0, 1])
    assert client.query("c1", "id >= 0", output_fields=["id"]) == [{"id": 2}]
    client.drop_collection("c1")
    assert client.list_collections() == []


def test_many_rows(start, lite):
    """10 MiB of vectors in one message, and all of them in one answer."""
    client = start(lite).client()
    client.create_collection("c1", dimension=1024, auto_id=False)
    count = 2600
    sent = [{"id": n, "vector": [n / count] * 1024} for n in range(count)]
    assert client.insert("c1", sent)["insert_count"] == count
    got = client.query("c1", "id >= 0", output_fields=["vector"], limit=count)
    assert len(got) == count
    assert got[1300]["id"] == 1300
    assert got[1300]["vector"][:2] == pytest.approx([0.5, 0.5])
