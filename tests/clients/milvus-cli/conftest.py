import importlib.metadata
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pymilvus")]

import harness  # noqa: E402
from compat import Compat  # noqa: E402
from terminal import COMMANDS, Terminal, connect  # noqa: E402

REMARKS = {
    "list privilege_groups": "prints `Group: Unknown` for every group: the client's own mistake",
    "show database": "fails without -db: the client's own mistake",
    "exit": "does not end the program: the client's own mistake",
}
COMPAT = Compat("milvus-cli", importlib.metadata.version("milvus-cli"), COMMANDS, REMARKS)


def pytest_configure(config):
    if not harness.BINARY:
        raise pytest.UsageError("MILVUS_RBAC_BIN must name the server's binary")
    config.pluginmanager.register(COMPAT)


@pytest.fixture
def start():
    """Starts servers, which are stopped after the test."""
    servers = []

    def start(*arguments):
        servers.append(harness.Server(*arguments))
        return servers[-1]

    yield start
    for server in servers:
        if server.running:
            server.stop()
        server.close_log()


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def root(server):
    """Another client, to prepare and to check."""
    return server.client()


@pytest.fixture
def open_terminal(tmp_path):
    """Starts milvus-cli."""
    terminals = []

    def open_terminal():
        terminals.append(Terminal(tmp_path, COMPAT.called))
        return terminals[-1]

    yield open_terminal
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def terminal(open_terminal):
    """milvus-cli, not connected."""
    return open_terminal()


@pytest.fixture
def cli(server, terminal):
    """milvus-cli, connected as root."""
    assert "Connect Milvus successfully." in connect(terminal, server)
    return terminal
