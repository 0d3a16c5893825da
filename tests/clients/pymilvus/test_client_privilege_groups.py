"""Privilege groups by MilvusClient and AsyncMilvusClient: results, their shapes, errors."""

import pytest

from facts import BUILT_IN_GROUPS, GROUP_CHECK, GROUP_TAKEN
from harness import grants, groups, refused


@pytest.fixture
def g1(client):
    client.create_privilege_group("g1")


def test_the_built_in_ones(client):
    listed = [
        (group["privilege_group"], list(group["privileges"])) for group in client.list_privilege_groups()
    ]
    assert listed == list(BUILT_IN_GROUPS.items())


def test_create_and_drop(client):
    assert client.create_privilege_group("g1") is None
    assert groups(client)["g1"] == []
    assert client.drop_privilege_group("g1") is None
    assert "g1" not in groups(client)


def test_custom_ones_come_first_in_byte_order(client):
    for name in ("b", "B", "_a", "a"):
        client.create_privilege_group(name)
    listed = [group["privilege_group"] for group in client.list_privilege_groups()]
    assert listed == ["B", "_a", "a", "b", *BUILT_IN_GROUPS]


def test_add_and_remove(client, g1):
    assert client.add_privileges_to_group("g1", ["Search", "Query"]) is None
    assert groups(client)["g1"] == ["Query", "Search"]
    client.add_privileges_to_group("g1", ["Insert"])
    assert groups(client)["g1"] == ["Insert", "Query", "Search"]
    assert client.remove_privileges_from_group("g1", ["Query", "Search"]) is None
    assert groups(client)["g1"] == ["Insert"]
    client.remove_privileges_from_group("g1", ["Insert"])
    assert groups(client)["g1"] == []


def test_groups_in_a_group(client, g1):
    client.create_privilege_group("g2")
    client.add_privileges_to_group("g1", ["g2", "ClusterReadOnly", "ReadOnly", "All"])
    assert groups(client)["g1"] == ["All", "ClusterReadOnly", "ReadOnly", "g2"]


def test_a_role_shows_its_name(client, g1, r1):
    client.add_privileges_to_group("g1", ["Search", "Query"])
    client.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
    assert grants(client, "r1", db_name="db1") == [("Global", "db1", "c1", "g1")]
    client.add_privileges_to_group("g1", ["Insert"])
    assert grants(client, "r1", db_name="db1") == [("Global", "db1", "c1", "g1")]


def test_create_twice(client, g1):
    text = (
        "failed to check if privilege group creatable: privilege group name [g1] is defined by "
        "users: invalid parameter"
    )
    with refused(1100, text, legacy=58):
        client.create_privilege_group("g1")


@pytest.mark.parametrize("name", ["Search", "ClusterAdmin", "ReadOnly", "GroupReadOnly", "All"])
def test_create_with_a_known_name(client, name):
    with refused(1100, GROUP_TAKEN.format(name), legacy=58):
        client.create_privilege_group(name)


@pytest.mark.parametrize(
    "name, words",
    [
        ("1g", "1g: invalid privilege group name[privilegeGroup=the first character of "),
        (" g", " g: invalid privilege group name[privilegeGroup=the first character of "),
        ("*", "*: invalid privilege group name[privilegeGroup=the first character of "),
        ("g" * 256, "->255: invalid privilege group name[privilegeGroup=the length of "),
    ],
    ids=["digit", "blank", "any", "long"],
)
def test_bad_name(client, name, words):
    for call in (
        lambda: client.create_privilege_group(name),
        lambda: client.drop_privilege_group(name),
        lambda: client.add_privileges_to_group(name, ["Search"]),
    ):
        with refused(1402, containing=words, legacy=1) as error:
            call()
        assert error.value.is_input_error


def test_bad_character_in_name(client):
    text = "privilege group name g$1 can only contain numbers, letters and underscores: invalid parameter"
    with refused(1100, text, legacy=5):
        client.create_privilege_group("g$1")


def test_drop_in_use(client, g1):
    for role in ("r2", "r1"):
        client.create_role(role)
        client.grant_privilege_v2(role, "g1", "*")
    text = (
        "failed to check if privilege group dropable: privilege group [g1] is used by role [r1], "
        "Use REVOKE API to revoke it first: invalid parameter"
    )
    with refused(1100, text, legacy=59):
        client.drop_privilege_group("g1")
    for role in ("r1", "r2"):
        client.revoke_privilege_v2(role, "g1", "*")
    client.drop_privilege_group("g1")
    assert "g1" not in groups(client)


def test_drop_a_member_of_a_group(client, g1):
    client.create_privilege_group("g2")
    client.add_privileges_to_group("g1", ["g2"])
    client.drop_privilege_group("g2")
    assert "g2" not in groups(client)


def test_drop_a_built_in_one_does_nothing(client):
    client.drop_privilege_group("ClusterAdmin")
    assert list(groups(client)) == list(BUILT_IN_GROUPS)


@pytest.mark.parametrize("privilege", ["Nonsense", "PrivilegeSearch", "*"])
@pytest.mark.parametrize("operation", ["add_privileges_to_group", "remove_privileges_from_group"])
def test_unknown_member(client, g1, operation, privilege):
    text = (
        f"{GROUP_CHECK}there is no privilege name or privilege group name [{privilege}] defined in "
        "system to operate: invalid parameter"
    )
    with refused(1100, text, legacy=61):
        getattr(client, operation)("g1", ["Search", privilege])
    assert groups(client)["g1"] == []


def test_bad_member_name(client, g1):
    text = (
        "the first character of Privilege must be an underscore or letter: invalid parameter"
        "[expected=95][actual=49]"
    )
    with refused(1100, text, legacy=5):
        client.add_privileges_to_group("g1", ["1Search"])


@pytest.mark.parametrize(
    "members",
    [
        ["Search", "CreateCollection"],
        ["Search", "CreateDatabase"],
        ["CreateCollection", "CreateDatabase"],
        ["Search", "All"],
        ["Search", "CollectionReadOnly"],
    ],
)
def test_members_of_several_levels(client, g1, members):
    text = f"{GROUP_CHECK}privileges are not the same privilege level: invalid parameter"
    with refused(1100, text, legacy=61):
        client.add_privileges_to_group("g1", members)
    client.add_privileges_to_group("g1", members[:1])
    with refused(1100, text, legacy=61):
        client.add_privileges_to_group("g1", members[1:])
    assert groups(client)["g1"] == members[:1]


@pytest.mark.parametrize("group", ["nope", "ClusterAdmin"])
@pytest.mark.parametrize("operation", ["add_privileges_to_group", "remove_privileges_from_group"])
def test_no_such_group(client, operation, group):
    text = (
        f"{GROUP_CHECK}there is no privilege group name [{group}] defined in system to operate: "
        "invalid parameter"
    )
    with refused(1100, text, legacy=61):
        getattr(client, operation)(group, ["Search"])
