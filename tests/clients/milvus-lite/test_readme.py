"""The sidecar's example in the README, run as a reader would run it."""

import pathlib
import re
import subprocess
import sys

import grpc
import pytest
from pymilvus import MilvusClient

README = (pathlib.Path(__file__).parents[3] / "README.md").read_text()


def test_example(start, lite, tmp_path):
    server = start(lite)
    _, example = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert example.count("localhost:19530") == 1
    script = tmp_path / "example.py"
    script.write_text(example.replace("localhost:19530", server.address))
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50)
    assert result.returncode == 0, result.stderr
    alice = MilvusClient(f"http://{server.address}", token="alice:P@ssw0rd", dedicated=True)
    try:
        assert alice.list_collections() == ["articles"]
        assert list(alice.search("articles", data=[[0.0] * 4], limit=1)) == [[]]
        with pytest.raises(grpc.RpcError, match="PrivilegeInsert: permission deny to alice"):
            alice.insert("articles", [{"id": 1, "vector": [0.0] * 4}])
    finally:
        alice.close()


def test_versions():
    """The README names the versions that this suite tests."""
    pinned = (pathlib.Path(__file__).parent / "requirements.txt").read_text()
    for package in ("pymilvus==3.0.2", "milvus-lite==3.2.2"):
        assert package in README and package in pinned
