"""The suite knows every command that has to do with access."""

import re
import sys

import click
import milvus_cli

from terminal import COMMANDS

# The client imports its own modules by their bare names.
sys.path.append(milvus_cli.__path__[0])
from milvus_cli.scripts.milvus_client_cli import cli  # noqa: E402

ACCESS = re.compile("user|role|grant|privilege|password|database|connect|version")
# These do not ask the server.
LOCAL = {"version", "list connection_history", "delete connection_history"}
# What else is tested.
OTHERS = {"exit", "list collections"}


def commands(group, prefix=""):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name


def test_no_command_is_forgotten():
    assert {name for name in commands(cli) if ACCESS.search(name)} - LOCAL == set(COMMANDS) - OTHERS
