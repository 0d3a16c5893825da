"""plan, apply and export against a Milvus 2.3, which has no transactions, no privilege groups, no backup of users
and roles, and no descriptions."""

import os
import subprocess

import pytest

import harness

DOCUMENT = """
roles:
  reader:
    description: reads articles
    grants:
      - {privilege: Search, database: default, collection: articles}
      - {privilege: Load, database: default, collection: articles}
      - {privilege: ShowCollections, object_type: Global, object: "*", database: default}
      - {privilege: UpdateUser, object_type: User, object: alice, database: default}
  writer:
    grants:
      - {privilege: Insert, database: default, collection: "*"}
users:
  alice: {password_env: ALICE, roles: [reader], description: she}
  bob: {password_env: ALICE, roles: [reader, writer]}
"""


@pytest.fixture
def run(real, tmp_path):
    def run(*arguments, code=0, document=DOCUMENT):
        (tmp_path / "access.yaml").write_text(document)
        environment = harness.clean_environment() | {
            "MILVUS_URI": f"http://{real.address}",
            "MILVUS_TOKEN": "root:Milvus",
            "ALICE": "of alice",
        }
        done = subprocess.run(
            [os.environ["MILVUS_RBAC_BIN"], *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done

    yield run
    run("apply", "-f", "access.yaml", "--yes", "--prune", document="{}")


def test_a_document_is_applied_once_and_can_be_taken_back(run):
    planned = run("plan", "-f", "access.yaml", code=2)
    assert planned.stdout.endswith("4 to add, 0 to change, 0 to remove\n"), planned
    applied = run("apply", "-f", "access.yaml", "--yes")
    assert applied.stdout == planned.stdout + "applied call by call\n"
    assert "this server has no transactions" in applied.stderr
    for prune in [[], ["--prune"]]:
        again = run("plan", "-f", "access.yaml", *prune)
        assert again.stdout.startswith("no change\n"), again
    exported = run("export").stdout
    assert "{privilege: Search, database: default, collection: articles}" in exported
    assert run("plan", "-f", "access.yaml", "--prune", document=exported).stdout.startswith("no change\n")
    less = DOCUMENT.split("  writer:")[0] + "users:\n  alice: {roles: [reader]}\n"
    pruned = run("apply", "-f", "access.yaml", "--yes", "--prune", document=less)
    assert "- role writer\n" in pruned.stdout and "- user bob\n" in pruned.stdout
    assert run("plan", "-f", "access.yaml", "--prune", document=less).stdout.startswith("no change\n")
