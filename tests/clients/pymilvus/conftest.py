import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402

pytest_plugins = ["compat"]


def pytest_configure():
    if not harness.BINARY:
        raise pytest.UsageError("MILVUS_RBAC_BIN must name the server's binary")


@pytest.fixture
def start():
    """Starts servers, which are stopped after the test."""
    servers = []

    def start(*arguments, **options):
        servers.append(harness.Server(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close_clients()
    for server in servers:
        if server.running:
            server.stop()
    for server in servers:
        server.close_log()


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def root(server):
    return server.client()


@pytest.fixture
def wire(server):
    """Calls of root without pymilvus."""
    return server.wire()


@pytest.fixture(params=["MilvusClient", "AsyncMilvusClient"])
def client(request, server):
    """Root's client, of both kinds."""
    return server.client() if request.param == "MilvusClient" else server.async_client()


@pytest.fixture
def r1(client):
    client.create_role("r1")


@pytest.fixture
def u1(client):
    client.create_user("u1", harness.PASSWORD)


@pytest.fixture
def prepared(root):
    """Root's client, after two databases and two users were made, u1 with the role r1."""
    for database in ("db1", "db2"):
        root.create_database(database)
    root.create_role("r1")
    harness.add_user(root, "u1", "r1")
    harness.add_user(root, "u2")
    return root


@pytest.fixture
def populated(root):
    """A user u1 with the role r1, which holds a privilege and the group g1, with one member."""
    root.create_role("r1")
    harness.add_user(root, "u1", "r1")
    root.create_privilege_group("g1")
    root.add_privileges_to_group("g1", ["Search"])
    root.grant_privilege_v2("r1", "Search", "c1")
    root.grant_privilege_v2("r1", "g1", "*")


@pytest.fixture
def goes_on(server, wire, populated):
    """Whatever the test sends, the server goes on, and nothing is changed."""
    before = wire.ok("BackupRBAC")
    yield
    assert server.running, server.log()
    assert wire.ok("BackupRBAC") == before
    assert server.client().list_databases() == ["default"]
    assert "panicked" not in server.log()
