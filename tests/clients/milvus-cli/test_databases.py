"""Databases, which grants are scoped to."""

import pytest

from terminal import last_line, table

ASKED = "Do you want to continue? [y/N]: "


def test_create_list_use_show_delete(cli, root):
    assert cli.run("create database -db db1") == "Create database db1 successfully!\n"
    assert table(cli.run("list databases")) == [["Database"], ["db1"], ["default"]]
    assert last_line(cli.run("use database -db db1")) == "Using database db1 successfully!"
    assert cli.run("show database -db db1") == "Database: db1\nProperties: {'name': 'db1'}\n"
    cli.run("use database -db default")
    assert last_line(cli.run("delete database -db db1", (ASKED, "y"))).endswith(
        "Drop database db1 successfully!"
    )
    assert root.list_databases() == ["default"]


def test_alter(cli, root):
    root.create_database("db1")
    dialog = [
        ("(e.g., database.replica.number): ", "database.replica.number"),
        ("Property value for 'database.replica.number': ", "2"),
        ("[y/N]: ", "n"),
    ]
    assert "error" not in cli.run("alter database -db db1", *dialog)
    assert root.describe_database("db1") == {"name": "db1", "database.replica.number": "2"}


@pytest.mark.outcome("show database", "works; fails without `-db`: the client's own mistake")
def test_show_needs_a_name(cli):
    assert last_line(cli.run("show database")) == (
        "'MilvusClientDatabase' object has no attribute 'get_current_database'"
    )


def test_there_are_no_collections(cli):
    assert table(cli.run("list collections")) == []


def test_missing(cli):
    assert "(code=800, message=database not found[database=nope])" in cli.run("show database -db nope")
