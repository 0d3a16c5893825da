"""Connecting: with the right credentials, with wrong ones, without any, and to nobody."""

import time

import pytest

from harness import PASSWORD, denial
from terminal import connect, last_line, table


def test_connect_and_disconnect(server, terminal):
    assert "Milvus cli version: 1.2.1\nPymilvus version: 3.0.2\n" in terminal.welcome
    assert last_line(terminal.run("list users")) == (
        "List users error!Not connected to Milvus! Please connect first."
    )
    output = connect(terminal, server)
    assert output.startswith("Connect Milvus successfully.\n")
    assert table(output) == [["Address", f"http://{server.address}"], ["Alias", "default"]]
    assert table(terminal.run("list connections")) == [
        ["Alias", "Instance"],
        ["default", f"http://{server.address}"],
    ]
    version = server.client().get_server_version()
    assert terminal.run("server_version") == f"Milvus server version: {version}\n"
    assert terminal.run("disconnect") == "Disconnect from default successfully!\n"
    assert "Not connected to Milvus!" in terminal.run("list users")


@pytest.mark.parametrize("user, password", [("root", "wrong password"), ("nobody", "password")])
def test_wrong_credentials_are_told_at_once(server, terminal, user, password):
    started = time.monotonic()
    output = connect(terminal, server, user, password)
    assert time.monotonic() - started < 5
    assert last_line(output).startswith("Connect to Milvus error!<MilvusException: (code=2, message=Fail ")
    assert "Connect Milvus successfully." not in output
    assert "Not connected to Milvus!" in terminal.run("list users")


def test_authorization_off(start, terminal):
    server = start("--authorization", "off")
    assert "Connect Milvus successfully." in terminal.run(f"connect -uri http://{server.address}")
    assert terminal.run("create user -u u1 -p password") == "Create user successfully!\n['root', 'u1']\n"
    assert terminal.run("create role -r r1").startswith("Create role successfully!\n")
    assert "Connect Milvus successfully." in connect(terminal, server, "u1", "wrong password")
    assert terminal.run("list users") == "['root', 'u1']\n"


def test_a_user_without_privileges(server, root, terminal):
    root.create_user("u1", PASSWORD)
    root.create_role("r1")
    assert "Connect Milvus successfully." in connect(terminal, server, "u1")
    for command, privilege in [
        ("list users", "SelectOwnership"),
        ("create user -u u2 -p password", "CreateOwnership"),
        ("list roles", "SelectOwnership"),
        ("create role -r r2", "CreateOwnership"),
        ("show role -r admin", "SelectOwnership"),
        ("delete role -r r1", "DropOwnership"),
        ("grant role -r r1 -u u1", "ManageOwnership"),
        ("revoke role -r r1 -u u1", "ManageOwnership"),
        ("list privilege_groups", "ListPrivilegeGroups"),
        ("create privilege_group -n g1", "CreatePrivilegeGroup"),
        ("grant privilege_group -n g1 -p Search", "OperatePrivilegeGroup"),
        ("revoke privilege_group -n g1 -p Search", "OperatePrivilegeGroup"),
        ("delete privilege_group -n g1 -y", "DropPrivilegeGroup"),
        ("create database -db db1", "CreateDatabase"),
    ]:
        assert denial(privilege) in terminal.run(command), command
    assert list(root.list_users()) == ["root", "u1"]
    assert root.list_roles() == ["admin", "public", "r1"]


@pytest.mark.outcome("exit", "does not end the program: the client's own mistake")
def test_exit_does_not_end_the_program(terminal):
    """The loop looks at another variable than the command sets."""
    assert terminal.run("exit") == ""
    assert terminal.run("exit") == ""
