"""Roles, who has them, and what they hold."""

import pytest

from facts import NO_ROLE
from harness import PASSWORD, grants
from terminal import last_line, table


def listed(output):
    """The roles in a table."""
    header, *rows = table(output)
    assert header == ["roleName"]
    return [name for (name,) in rows]


def test_create_list_show_delete(cli, root):
    assert listed(cli.run("list roles")) == ["admin", "public"]
    output = cli.run("create role -r r1")
    assert output.startswith("Create role successfully!\n")
    assert listed(output) == ["admin", "public", "r1"]
    assert cli.run("show role -r r1") == "Role: r1\nPrivileges: (none)\n"
    assert cli.run("show role -r public") == (
        "Role: public\n"
        "Privileges:\n"
        "  - IndexDetail on Collection:* (db: *)\n"
        "  - DescribeCollection on Global:* (db: *)\n"
        "  - ListAliases on Global:* (db: *)\n"
    )
    assert listed(cli.run("delete role -r r1")) == ["admin", "public"]
    assert root.list_roles() == ["admin", "public"]


def test_refusals(cli, root):
    root.create_role("r1")
    root.grant_privilege_v2("r1", "Search", "c1")
    for command, text in [
        ("create role -r r1", 'Create role error!{} role [name:"r1"] already exists: invalid parameter'),
        (
            "create role -r 1r",
            "Create role error!{} the first character of role name must be an underscore or letter: invalid "
            "parameter[expected=95][actual=49]",
        ),
        ("show role -r nope", 'Describe role error!{} the role "nope" does not exist: invalid parameter'),
        ("delete role -r nope", f"Drop role error!{{}} {NO_ROLE}"),
        (
            "delete role -r r1",
            "Drop role error!{} failed to check if drop role: fail to drop the role that it has privileges. "
            "Use REVOKE API to revoke privileges: invalid parameter",
        ),
        ("grant role -r nope -u root", f"Grant role error!{{}} {NO_ROLE}"),
        (
            "grant role -r r1 -u nobody",
            'Grant role error!{} failed to check if operate user role: user "nobody" not found: invalid '
            "parameter",
        ),
        ("revoke role -r nope -u root", f"Revoke role error!{{}} {NO_ROLE}"),
    ]:
        text = text.replace("{} ", "<MilvusException: (code=1100, message=") + ")>"
        assert last_line(cli.run(command)) == text, command
    assert "(code=1401, message=the role[admin] is a default role" in cli.run("delete role -r admin")
    assert root.list_roles() == ["admin", "public", "r1"]


def test_grant_and_revoke_a_role(cli, root):
    root.create_role("r1")
    root.create_user("u1", PASSWORD)
    # Success is not told.
    assert cli.run("grant role -r r1 -u u1") == ""
    assert root.describe_user("u1")["roles"] == ("r1",)
    assert cli.run("revoke role -r r1 -u u1") == ""
    assert root.describe_user("u1")["roles"] == ()


def operate(cli, command, object_type, object_name, privilege, db_name, role="r1"):
    return cli.run(
        command,
        ("Role name: ", role),
        ("(Global, Collection, User): ", object_type),
        ("The name of the object to control access for: ", object_name),
        ("UpdateUser, SelectUser, *): ", privilege),
        ("[default]: ", db_name),
    )


HEADER = ["Object", "Object Name", "DB Name", "Role Name", "Grantor Name", "Privilege"]


def test_grant_and_revoke_a_privilege(cli, root):
    root.create_role("r1")
    output = operate(cli, "grant privilege", "Collection", "c1", "Search", "")
    row = ["Collection", "c1", "default", "r1", "root", "Search"]
    assert table(output) == [HEADER, row]
    assert grants(root, "r1") == [("Collection", "default", "c1", "Search")]
    assert cli.run("show role -r r1") == (
        "Role: r1\nPrivileges:\n  - Search on Collection:c1 (db: default)\n"
    )
    operate(cli, "grant privilege", "Global", "*", "CreateCollection", "default")
    assert table(cli.run("list grants -r r1")) == [
        HEADER,
        row,
        ["Global", "*", "default", "r1", "root", "CreateCollection"],
    ]
    assert table(cli.run("list grants -r r1 -t Collection -o c1")) == [HEADER, row]
    assert table(operate(cli, "revoke privilege", "Collection", "c1", "Search", "default")) == [HEADER]
    assert grants(root, "r1") == [("Global", "default", "*", "CreateCollection")]


@pytest.mark.parametrize("command", ["grant privilege", "revoke privilege"])
def test_refused_privilege(cli, root, command):
    root.create_role("r1")
    verb = command.partition(" ")[0].capitalize()
    assert last_line(operate(cli, command, "Global", "*", "Search", "")) == (
        f"{verb} privilege error!<MilvusException: (code=1100, message=not found the privilege name[Search] "
        "in object[Global]: invalid parameter)>"
    )
