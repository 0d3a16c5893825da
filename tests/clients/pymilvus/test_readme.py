"""The example of the README, run as a reader would run it."""

import pathlib
import re
import subprocess
import sys

import pymilvus

from harness import clean_environment, denial, everything

README = (pathlib.Path(__file__).parents[3] / "README.md").read_text()
OUTPUT = f"""\
{{'user_name': 'user_1', 'roles': ('role_a',), 'description': ''}}
{{'role': 'role_a', 'description': '', 'privileges': [\
{{'object_type': 'Global', 'object_name': '*', 'db_name': '*', 'role_name': 'role_a', \
'privilege': 'ClusterReadOnly', 'grantor_name': 'root'}}, \
{{'object_type': 'Global', 'object_name': 'collection_01', 'db_name': 'default', 'role_name': 'role_a', \
'privilege': 'privilege_group_1', 'grantor_name': 'root'}}]}}
['admin', 'public', 'role_a']
{denial("CreateOwnership", "user_1")}
{denial("SelectOwnership", "user_1")}
"""


def test_example(server, root, tmp_path):
    # The second one needs a Milvus: the suite with Milvus Lite runs it.
    example, _ = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert example.count("localhost:19530") == 2
    script = tmp_path / "example.py"
    script.write_text(example.replace("localhost:19530", server.address))
    before = everything(root)
    result = subprocess.run(
        [sys.executable, script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        env=clean_environment(),
        text=True,
        timeout=50,
    )
    assert result.stdout == OUTPUT, result.stderr
    assert result.returncode == 0, result.stderr
    # It takes away what it made.
    assert everything(root) == before


def test_version():
    """The README names the version that this suite tests."""
    assert f"pip install pymilvus=={pymilvus.__version__}\n" in README
