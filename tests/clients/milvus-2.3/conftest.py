import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pymilvus"), str(HERE.parent / "milvus-lite")]

import standalone  # noqa: E402
import upstream  # noqa: E402
from fixtures import pytest_configure, root, server, start, u1, wire  # noqa: E402, F401


@pytest.fixture(scope="session")
def running_milvus():
    running = standalone.Milvus()
    yield running
    running.stop()


@pytest.fixture
def real(running_milvus):
    """A Milvus that holds nothing."""
    yield running_milvus
    running_milvus.clear()


@pytest.fixture
def recorder(real):
    """Milvus, reached by way of one that writes everything down."""
    recorder = upstream.Recorder(real.address)
    yield recorder
    recorder.end()
