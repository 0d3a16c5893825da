"""The grants on a collection go when it is dropped, and move when it is renamed."""

import pytest

import data
import harness


@pytest.fixture
def c1(root, u1):
    """A collection that u1 may search, by a grant and by one of a group."""
    data.fill(root, "c1")
    root.grant_privilege_v2("r1", "Search", "c1")
    root.grant_privilege_v2("r1", "CollectionReadOnly", "c1")


def found(wire, name):
    return list(wire.ok("Search", **data.search(name)).results.ids.int_id.data)


def check_closed(u1, name):
    for call, request in (("Search", data.search(name)), ("Query", data.query(name))):
        with harness.denied(call, database="default"):
            u1.call(call, **request)


def test_a_new_collection_of_the_name_is_closed(c1, root, u1):
    assert found(u1, "c1") == [1]
    root.drop_collection("c1")
    assert harness.grants(root, "r1", "*") == []
    data.fill(root, "c1")
    check_closed(u1, "c1")
    root.grant_privilege_v2("r1", "Search", "c1")
    assert found(u1, "c1") == [1]


def test_dropped_by_an_alias(c1, root, u1):
    """Milvus refuses this."""
    root.create_alias("c1", "a1")
    root.drop_collection("a1")
    assert root.list_collections() == []
    data.fill(root, "c1")
    check_closed(u1, "c1")


def test_a_drop_of_what_is_not_there_is_a_success(root, u1):
    """So a drop can be repeated whose grants could not follow."""
    root.grant_privilege_v2("r1", "Search", "c1")
    root.drop_collection("c1")
    assert harness.grants(root, "r1", "*") == []


def test_renamed(c1, root, u1):
    before = harness.grants(root, "r1", "*")
    root.rename_collection("c1", "c2")
    assert harness.grants(root, "r1", "*") == [(kind, db, "c2", name) for kind, db, _, name in before]
    root.load_collection("c2")
    assert found(u1, "c2") == [1]
    data.fill(root, "c1")
    check_closed(u1, "c1")


def test_renamed_into_another_database(c1, root, u1):
    """Milvus Lite renames it where it is: nothing is granted on a collection of that name in the other one."""
    root.create_database("db1")
    root.rename_collection("c1", "c2", target_db="db1")
    assert harness.grants(root, "r1", "*") == []
    assert root.list_collections() == ["c2"]
    check_closed(u1, "c2")


def test_what_fails_changes_nothing(c1, root, u1):
    data.fill(root, "c2")
    with pytest.raises(Exception, match="already exists"):
        root.rename_collection("c1", "c2")
    with pytest.raises(Exception, match="does not exist"):
        root.rename_collection("c3", "c4")
    assert found(u1, "c1") == [1]
    check_closed(u1, "c2")
