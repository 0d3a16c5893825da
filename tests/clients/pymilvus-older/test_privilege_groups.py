"""Privilege groups: results, their shapes, errors."""

import pytest

from facts import BUILT_IN_GROUPS, GROUP_CHECK, GROUP_TAKEN
from harness import grants, groups, refused


@pytest.fixture
def g1(client):
    client.create_privilege_group("g1")


def test_the_built_in_ones(client, kind):
    sequence = tuple if kind == "MilvusClient" else list
    listed = client.list_privilege_groups()
    assert listed == [
        {"privilege_group": name, "privileges": sequence(privileges)}
        for name, privileges in BUILT_IN_GROUPS.items()
    ]


def test_create_and_drop(client):
    assert client.create_privilege_group("g1") is None
    assert list(groups(client)) == ["g1", *BUILT_IN_GROUPS]
    assert groups(client)["g1"] == []
    assert client.drop_privilege_group("g1") is None
    assert list(groups(client)) == list(BUILT_IN_GROUPS)


def test_add_and_remove(client, g1):
    assert client.add_privileges_to_group("g1", ["Search", "Query"]) is None
    assert groups(client)["g1"] == ["Query", "Search"]
    assert client.remove_privileges_from_group("g1", ["Query"]) is None
    assert groups(client)["g1"] == ["Search"]


def test_a_role_shows_its_name(client, g1, r1):
    client.add_privileges_to_group("g1", ["Search", "Query"])
    client.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
    assert grants(client, "r1", db_name="db1") == [("Global", "db1", "c1", "g1")]


def test_create_with_a_known_name(client, g1):
    text = (
        "failed to check if privilege group creatable: privilege group name [g1] is defined by users: "
        "invalid parameter"
    )
    with refused(1100, text, legacy=58):
        client.create_privilege_group("g1")
    with refused(1100, GROUP_TAKEN.format("ClusterAdmin"), legacy=58):
        client.create_privilege_group("ClusterAdmin")


def test_bad_name(client):
    words = "1g: invalid privilege group name[privilegeGroup=the first character of "
    for call in (
        lambda: client.create_privilege_group("1g"),
        lambda: client.drop_privilege_group("1g"),
        lambda: client.add_privileges_to_group("1g", ["Search"]),
        lambda: client.remove_privileges_from_group("1g", ["Search"]),
    ):
        with refused(1402, containing=words, legacy=1):
            call()


def test_drop_in_use(client, g1, r1):
    client.grant_privilege_v2("r1", "g1", "*")
    text = (
        "failed to check if privilege group dropable: privilege group [g1] is used by role [r1], Use "
        "REVOKE API to revoke it first: invalid parameter"
    )
    with refused(1100, text, legacy=59):
        client.drop_privilege_group("g1")
    client.revoke_privilege_v2("r1", "g1", "*")
    client.drop_privilege_group("g1")
    assert "g1" not in groups(client)


@pytest.mark.parametrize("operation", ["add_privileges_to_group", "remove_privileges_from_group"])
def test_unknown_member(client, g1, operation):
    text = (
        f"{GROUP_CHECK}there is no privilege name or privilege group name [Nonsense] defined in system "
        "to operate: invalid parameter"
    )
    with refused(1100, text, legacy=61):
        getattr(client, operation)("g1", ["Nonsense"])


def test_members_of_several_levels(client, g1):
    text = f"{GROUP_CHECK}privileges are not the same privilege level: invalid parameter"
    with refused(1100, text, legacy=61):
        client.add_privileges_to_group("g1", ["Search", "CreateDatabase"])
    assert groups(client)["g1"] == []


@pytest.mark.parametrize("operation", ["add_privileges_to_group", "remove_privileges_from_group"])
def test_built_in_ones_are_fixed(client, operation):
    text = (
        f"{GROUP_CHECK}there is no privilege group name [ClusterAdmin] defined in system to operate: "
        "invalid parameter"
    )
    with refused(1100, text, legacy=61):
        getattr(client, operation)("ClusterAdmin", ["Search"])
