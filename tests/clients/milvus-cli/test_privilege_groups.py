"""Privilege groups."""

import pytest

from facts import BUILT_IN_GROUPS, GROUP_CHECK
from harness import groups
from terminal import last_line

ASKED = "Do you want to continue? [y/N]: "


def test_create_fill_empty_delete(cli, root):
    assert cli.run("create privilege_group -n g1") == "Create privilege group g1 successfully!\n"
    assert cli.run("grant privilege_group -n g1 -p Search,Query") == (
        "Add privileges to group g1 successfully!\n"
    )
    assert groups(root)["g1"] == ["Query", "Search"]
    assert cli.run("revoke privilege_group -n g1 -p Search") == (
        "Remove privileges from group g1 successfully!\n"
    )
    assert groups(root)["g1"] == ["Query"]
    assert cli.run("delete privilege_group -n g1", (ASKED, "n")) == (
        "Warning!\n"
        "You are trying to delete privilege group 'g1'. This action cannot be undone!\n\n"
        f"{ASKED}"
    )
    assert "g1" in groups(root)
    assert last_line(cli.run("delete privilege_group -n g1", (ASKED, "y"))).endswith(
        "Drop privilege group g1 successfully!"
    )
    cli.run("create privilege_group -n g2")
    assert cli.run("delete privilege_group -n g2 -y") == "Drop privilege group g2 successfully!\n"
    assert list(groups(root)) == list(BUILT_IN_GROUPS)


@pytest.mark.outcome(
    "list privilege_groups", "shows `Group: Unknown` for every group: the client's own mistake"
)
def test_list_names_no_group(cli, root):
    """It looks for the names under another key than pymilvus uses."""
    root.create_privilege_group("g1")
    members = [[], *BUILT_IN_GROUPS.values()]
    assert cli.run("list privilege_groups") == "".join(
        f"Group: Unknown\n  Privileges: {', '.join(names) or '(none)'}\n\n" for names in members
    )


def test_refusals(cli, root):
    root.create_privilege_group("g1")
    for command, text in [
        (
            "create privilege_group -n g1",
            "Create privilege group error!<MilvusException: (code=1100, message=failed to check if privilege "
            "group creatable: privilege group name [g1] is defined by users: invalid parameter)>",
        ),
        (
            "grant privilege_group -n nope -p Search",
            f"Add privileges to group error!<MilvusException: (code=1100, message={GROUP_CHECK}there is no "
            "privilege group name [nope] defined in system to operate: invalid parameter)>",
        ),
        (
            "revoke privilege_group -n nope -p Search",
            f"Remove privileges from group error!<MilvusException: (code=1100, message={GROUP_CHECK}there is "
            "no privilege group name [nope] defined in system to operate: invalid parameter)>",
        ),
        (
            "grant privilege_group -n g1 -p Search,CreateDatabase",
            f"Add privileges to group error!<MilvusException: (code=1100, message={GROUP_CHECK}privileges "
            "are not the same privilege level: invalid parameter)>",
        ),
    ]:
        assert last_line(cli.run(command)) == text, command
    assert "(code=1402, message=1g: invalid privilege group name" in cli.run("create privilege_group -n 1g")
    # What it does not know, the client does not send.
    assert "Error: Invalid privileges: Nonsense" in cli.run("grant privilege_group -n g1 -p Nonsense")
    assert groups(root)["g1"] == []
