import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "pymilvus")]

import upstream  # noqa: E402
from fixtures import pytest_configure, root, server, start, u1, wire  # noqa: E402, F401


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
def closed(root):
    """Takes from the role public what it holds at first."""
    for privilege in ("DescribeCollection", "ListAliases", "IndexDetail"):
        root.revoke_privilege_v2("public", privilege, "*", db_name="*")
