"""Databases, to which grants are scoped, and what else the server tells."""

import pytest

from harness import refused


def test_create_describe_drop(client):
    assert client.create_database("db1", properties={"a": "1"}) is None
    assert sorted(client.list_databases()) == ["db1", "default"]
    assert client.describe_database("db1") == {"name": "db1", "a": "1"}
    assert client.drop_database("db1") is None
    assert client.list_databases() == ["default"]


def test_properties(client):
    client.create_database("db1", properties={"a": "1", "b": "2"})
    client.alter_database_properties("db1", {"b": "3", "c": "4"})
    client.drop_database_properties("db1", ["a"])
    assert client.describe_database("db1") == {"name": "db1", "b": "3", "c": "4"}


@pytest.mark.parametrize("method", ["use_database", "using_database"])
def test_use(client, method):
    client.create_database("db1")
    getattr(client, method)("db1")
    assert sorted(client.list_databases()) == ["db1", "default"]


def test_missing(client):
    with refused(800, containing="database not found[database=nope]"):
        client.describe_database("nope")


def test_version(client):
    assert client.get_server_version() != ""


def test_there_are_no_collections(client):
    assert client.list_collections() == []
