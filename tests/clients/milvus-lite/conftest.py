import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pymilvus")]

import harness  # noqa: E402
import upstream  # noqa: E402


def pytest_configure():
    if not harness.BINARY:
        raise pytest.UsageError("MILVUS_RBAC_BIN must name the server's binary")


@pytest.fixture(scope="session")
def running_lite(tmp_path_factory):
    lite = upstream.Lite(tmp_path_factory.mktemp("milvus-lite"))
    yield lite
    lite.stop()


@pytest.fixture
def lite(running_lite):
    """A Milvus Lite that holds nothing."""
    yield running_lite
    running_lite.clear()


@pytest.fixture
def recorder(lite):
    """Milvus Lite, reached by way of one that writes everything down."""
    recorder = upstream.Recorder(lite.address)
    yield recorder
    recorder.end()


@pytest.fixture
def start():
    """Starts servers before an upstream, which are stopped after the test."""
    servers = []

    def start(upstream, *arguments, **options):
        servers.append(harness.Server("--upstream", f"http://{upstream.address}", *arguments, **options))
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
def server(start, recorder):
    return start(recorder)


@pytest.fixture
def root(server):
    return server.client()


@pytest.fixture
def wire(server):
    """Calls of root without pymilvus."""
    return server.wire()


@pytest.fixture
def u1(server, root):
    """Calls of a user whose role r1 holds nothing, without pymilvus."""
    root.create_role("r1")
    harness.add_user(root, "u1", "r1")
    return server.wire("u1")


@pytest.fixture
def closed(root):
    """Takes from the role public what it holds at first."""
    for privilege in ("DescribeCollection", "ListAliases", "IndexDetail"):
        root.revoke_privilege_v2("public", privilege, "*", db_name="*")
