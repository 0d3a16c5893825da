"""Sits in front of milvus-cli as a person does: at a terminal, which here is a dumb one."""

import os
import pathlib
import pty
import re
import select
import shlex
import subprocess
import sys
import termios
import time

import harness

PROGRAM = pathlib.Path(sys.executable).parent / "milvus_cli"
PROMPT = "milvus_cli > "
SECONDS = 20

# The commands that have to do with access, and those that lead there.
COMMANDS = [
    "connect",
    "disconnect",
    "server_version",
    "exit",
    "list connections",
    "list users",
    "create user",
    "show user",
    "update password",
    "delete user",
    "list roles",
    "create role",
    "show role",
    "delete role",
    "grant role",
    "revoke role",
    "grant privilege",
    "revoke privilege",
    "list grants",
    "list privilege_groups",
    "create privilege_group",
    "grant privilege_group",
    "revoke privilege_group",
    "delete privilege_group",
    "list databases",
    "create database",
    "use database",
    "show database",
    "alter database",
    "list collections",
    "delete database",
]


class Terminal:
    """A running milvus-cli. Its home, where it keeps its history, is a folder of the test."""

    def __init__(self, home, called):
        self._called = called
        self._text = ""
        self._terminal, program = pty.openpty()
        # Nothing is shown twice: the program echoes by itself. And it gets each key that is pressed, also
        # when it has not yet said that it wants them.
        attributes = termios.tcgetattr(program)
        attributes[3] &= ~termios.ECHO
        attributes[6][termios.VEOF] = b"\x00"
        termios.tcsetattr(program, termios.TCSANOW, attributes)
        self.process = subprocess.Popen(
            [PROGRAM],
            stdin=program,
            stdout=program,
            stderr=program,
            env={"HOME": str(home), "TERM": "dumb", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]},
            start_new_session=True,
        )
        os.close(program)
        self.welcome = self._until(PROMPT)

    def _until(self, end):
        """What appears up to and with this text, at which the program waits for an answer."""
        deadline = time.monotonic() + SECONDS
        while not self._text.endswith(end):
            ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {end!r} within {SECONDS} s:\n{self._text}"
            self._text += os.read(self._terminal, 65536).decode().replace("\r", "")
        text, self._text = self._text, ""
        return text

    def _type(self, line):
        os.write(self._terminal, f"{line}\r".encode())

    def run(self, command, *dialog):
        """What a command prints, without what is typed. The dialog: pairs of a question's end, an answer."""
        self._type(command)
        shown = ""
        for question, answer in dialog:
            shown += self._until(question)
            self._type(answer)
        shown += self._until(PROMPT).removesuffix(PROMPT)
        output = shown.removeprefix(f"{command}\n")
        name = next(c for c in COMMANDS if re.match(rf"{c}\b", command))
        self._called(name, "rror" not in output)
        return output

    def close(self):
        """Ends it with Ctrl-D, and checks that it went well."""
        try:
            os.write(self._terminal, b"\x04")
            assert self.process.wait(SECONDS) == 0
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._terminal)


def table(output):
    """The cells of the table that is printed, row by row."""
    rows = [line for line in output.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def last_line(output):
    """What follows pymilvus' log of an error, which the program does not hide."""
    return output.rstrip("\n").rpartition("\n")[2]


def connect(terminal, server, user="root", password=None):
    token = shlex.quote(harness.login(user, password))
    return terminal.run(f"connect -uri http://{server.address} -t {token}")
