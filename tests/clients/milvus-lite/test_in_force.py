"""What was acknowledged is in force for the very next call, on another connection, a thousand times in a row."""

import pytest

import data
import harness

TIMES = 1000

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def search(server, root, u1, recorder):
    """A search by u1, which tells whether it was answered."""
    data.fill(root, "c1")
    recorder.calls.clear()

    def search(allowed):
        if allowed:
            ids = u1.ok("Search", **data.search("c1")).results.ids.int_id.data
            assert list(ids) == [1]
        else:
            with harness.denied("Search", database="default"):
                u1.call("Search", **data.search("c1"))

    return search


def check(recorder, search, allow, forbid):
    for _ in range(TIMES):
        allow()
        search(True)
        forbid()
        search(False)
    assert len(recorder.reached("Search")) == TIMES


def test_grants(root, recorder, search):
    check(
        recorder,
        search,
        lambda: root.grant_privilege_v2("r1", "Search", "c1"),
        lambda: root.revoke_privilege_v2("r1", "Search", "c1"),
    )


def test_roles_of_a_user(root, recorder, search):
    root.create_role("r2")
    root.grant_privilege_v2("r2", "CollectionReadOnly", "c1")
    check(
        recorder,
        search,
        lambda: root.grant_role("u1", "r2"),
        lambda: root.revoke_role("u1", "r2"),
    )
