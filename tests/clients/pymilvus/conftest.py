import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness  # noqa: E402


def pytest_configure():
    if not harness.BINARY:
        raise pytest.UsageError("MILVUS_RBAC_BIN must name the server's binary")


@pytest.fixture
def start(tmp_path):
    """Starts servers, which are stopped after the test."""
    servers = []

    def start(*arguments, **options):
        servers.append(harness.Server(tmp_path, *arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close_clients()
    for server in servers:
        if server.running:
            server.stop()


@pytest.fixture
def server(start):
    return start()


@pytest.fixture(scope="session")
def upstream_supported():
    return harness.forwards()


@pytest.fixture
def upstream(upstream_supported):
    """What stands for a Milvus behind the server. Skips the test if the server can have none."""
    if not upstream_supported:
        pytest.skip("the server does not forward calls")
    upstream = harness.Upstream()
    yield upstream
    upstream.stop()


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
