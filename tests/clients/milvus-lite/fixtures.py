"""Fixtures of all suites with a Milvus behind the server. They need the fixture `recorder`."""

import pytest

import harness


def pytest_configure():
    if not harness.BINARY:
        raise pytest.UsageError("MILVUS_RBAC_BIN must name the server's binary")


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
