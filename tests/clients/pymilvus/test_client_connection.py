"""How clients connect, and what they learn of the server."""

from pymilvus import MilvusClient

from harness import ROOT_PASSWORD, grants


class TestConnection:
    def test_version(self, client):
        assert client.get_server_version() != ""

    def test_detailed_version(self, client):
        detail = client.get_server_version(detail=True)
        assert set(detail) == {"version", "build_time", "git_commit", "go_version", "deploy_mode"}
        assert detail["version"] == client.get_server_version()

    def test_there_are_no_collections(self, client):
        assert client.list_collections() == []


def test_clients_that_share_a_connection(server):
    """As pymilvus does it for clients of one address and one login, unless told otherwise."""
    uri = f"http://{server.address}"
    first = MilvusClient(uri, user="root", password=ROOT_PASSWORD)
    first.create_database("db1")
    second = MilvusClient(uri, token=f"root:{ROOT_PASSWORD}", db_name="db1")
    for client in (first, second):
        client.create_role(f"r{client is second:d}")
        client.grant_privilege_v2(f"r{client is second:d}", "Search", "c1")
    assert grants(first, "r0", db_name="*") == [("Collection", "default", "c1", "Search")]
    assert grants(first, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]
    first.close()
    assert second.list_roles() == ["admin", "public", "r0", "r1"]
    second.close()
