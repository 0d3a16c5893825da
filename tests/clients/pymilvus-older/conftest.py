import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pymilvus")]

import harness  # noqa: E402
import older  # noqa: E402

pytest_plugins = ["compat"]

# What the other release is tested for.
collect_ignore = ["test_release_2_6.py" if older.RELEASE == "2.5" else "test_release_2_5.py"]


def pytest_configure():
    if not harness.BINARY:
        raise pytest.UsageError("MILVUS_RBAC_BIN must name the server's binary")


@pytest.fixture
def start():
    """Starts servers, which are stopped after the test."""
    servers = []

    def start(*arguments, **options):
        servers.append(older.Server(*arguments, **options))
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


@pytest.fixture(params=older.KINDS)
def kind(request):
    return request.param


@pytest.fixture
def connect(server, kind):
    """Makes clients of one kind, of which there may be two."""
    return server.client if kind == "MilvusClient" else server.async_client


@pytest.fixture
def client(connect):
    """Root's client."""
    return connect()


@pytest.fixture
def r1(client):
    client.create_role("r1")


@pytest.fixture
def u1(client):
    client.create_user("u1", harness.PASSWORD)
