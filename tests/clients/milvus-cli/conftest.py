import importlib.metadata
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pymilvus")]

import harness  # noqa: E402
from compat import Compat  # noqa: E402
from terminal import COMMANDS, Terminal, connect  # noqa: E402

COMPAT = Compat("milvus-cli", importlib.metadata.version("milvus-cli"), COMMANDS)


def pytest_configure(config):
    if not harness.BINARY:
        raise pytest.UsageError("MILVUS_RBAC_BIN must name the server's binary")
    config.addinivalue_line("markers", "outcome(method, text): what the test shows of a command")
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
