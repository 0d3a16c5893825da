"""Users."""

from harness import PASSWORD
from terminal import connect, last_line

ASKED = "Do you want to continue? [y/N]: "
WARNING = f"Warning!\nYou are trying to delete the user in milvus. This action cannot be undone!\n\n{ASKED}"


def test_create_list_show_delete(cli, root):
    assert cli.run("list users") == "['root']\n"
    assert cli.run(f"create user -u u1 -p {PASSWORD}") == "Create user successfully!\n['root', 'u1']\n"
    assert cli.run("list users") == "['root', 'u1']\n"
    assert cli.run("show user -u u1") == (
        "User: u1\nDetails: {'user_name': 'u1', 'roles': (), 'description': ''}\n"
    )
    root.grant_role("u1", "public")
    root.update_user("u1", description="the first")
    assert cli.run("show user -u u1") == (
        "User: u1\nDetails: {'user_name': 'u1', 'roles': ('public',), 'description': 'the first'}\n"
    )
    # It asks before it deletes.
    assert cli.run("delete user -u u1", (ASKED, "n")) == WARNING
    assert list(root.list_users()) == ["root", "u1"]
    assert cli.run("delete user -u u1", (ASKED, "y")) == (
        f"{WARNING}Delete user u1 successfully!\n['root']\n"
    )
    assert list(root.list_users()) == ["root"]


def test_refusals(cli, root):
    cli.run(f"create user -u u1 -p {PASSWORD}")
    for command, text in [
        (
            f"create user -u u1 -p {PASSWORD}",
            "Create user error!<MilvusException: (code=1100, message=user already exists: u1: invalid "
            "parameter)>",
        ),
        (
            f"create user -u 1u -p {PASSWORD}",
            "Create user error!<MilvusException: (code=1100, message=invalid user name 1u, the first "
            "character must be a letter, but got 1: invalid parameter)>",
        ),
        (
            "create user -u u2 -p short",
            "Create user error!<MilvusException: (code=1100, message=invalid password length: invalid "
            "parameter[5 out of range 6 <= value <= 72])>",
        ),
        ("show user -u nobody", "Describe user error!User 'nobody' does not exist"),
    ]:
        assert last_line(cli.run(command)) == text, command
    assert last_line(cli.run("delete user -u root", (ASKED, "y"))) == (
        "Delete user error!<MilvusException: (code=1401, message=root user cannot be deleted: privilege not "
        "permitted)>"
    )
    assert last_line(cli.run("delete user -u nobody", (ASKED, "y"))).endswith(
        "Delete user error!User 'nobody' does not exist"
    )
    assert list(root.list_users()) == ["root", "u1"]


def change(cli, user, old, new, again=None):
    return cli.run(
        f"update password -u {user}",
        ("Old password: ", old),
        ("New password: ", new),
        ("Confirm new password: ", new if again is None else again),
    )


def test_update_password(server, cli, root):
    root.create_user("u1", PASSWORD)
    assert last_line(change(cli, "u1", PASSWORD, "new password", "another")) == (
        "Error: New passwords do not match!"
    )
    assert last_line(change(cli, "u1", "wrong password", "new password")) == (
        "Update password error!<MilvusException: (code=1400, message=old password not correct for u1: not "
        "authenticated)>"
    )
    assert last_line(change(cli, "u1", PASSWORD, "new-password")) == (
        "Update password for user u1 successfully!"
    )
    cli.run("disconnect")
    assert "Connect to Milvus error!" in connect(cli, server, "u1", PASSWORD)
    assert "Connect Milvus successfully." in connect(cli, server, "u1", "new-password")
