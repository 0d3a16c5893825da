"""Tells which methods of a client work: a pytest plugin that appends one JSON line for each method to the
file that MILVUS_RBAC_COMPAT names, and does nothing without it.

A method works if a test saw it succeed, and if all tests that call it passed. What else there is to say of
it stands at the test that shows it: `@pytest.mark.outcome("method", "what it does")`. Suites of other
clients make a `Compat` of their own.
"""

import functools
import inspect
import json
import os
import re

import pytest

FILE = os.environ.get("MILVUS_RBAC_COMPAT", "")

CLIENT_METHODS = """
    __init__ close get_server_version
    create_user update_password update_user drop_user list_users describe_user grant_role revoke_role
    create_role alter_role drop_role describe_role list_roles
    grant_privilege revoke_privilege grant_privilege_v2 revoke_privilege_v2
    create_privilege_group drop_privilege_group list_privilege_groups add_privileges_to_group
    remove_privileges_from_group
    create_database drop_database list_databases describe_database alter_database_properties
    drop_database_properties use_database using_database list_collections
""".split()
ROLE_METHODS = """
    create drop is_exist add_user remove_user get_users grant revoke grant_v2 revoke_v2 list_grant
    list_grants create_privilege_group drop_privilege_group list_privilege_groups
    add_privileges_to_group remove_privileges_from_group
""".split()
UTILITY_METHODS = """
    create_user update_password reset_password delete_user list_usernames list_user list_users list_roles
    get_server_version list_collections
""".split()
DATABASE_METHODS = """
    create_database drop_database list_database describe_database set_properties using_database
""".split()
# What no list may forget.
ACCESS = re.compile("user|role|grant|privilege|password|rbac|database|version")


class Compat:
    """Collects the calls of each test, and their fate. Workers hand theirs over with the tests' reports."""

    def __init__(self, client, version, methods=()):
        self._client = client
        self._version = version
        self._outcomes = {method: None for method in methods}
        self._calls = {}
        self._failed = set()
        self._reports = {}

    def called(self, method, succeeded):
        """The running test called a method."""
        self._calls[method] = self._calls.get(method, False) or succeeded

    def watch(self, owner, names, prefix=""):
        """Notes the calls of functions of a class or module."""
        found = {name for name, _ in inspect.getmembers(owner, inspect.isroutine) if ACCESS.search(name)}
        forgotten = {name for name in found if name[0] != "_"} - set(names)
        if forgotten:
            raise pytest.UsageError(f"methods that are not in the list: {prefix}{forgotten}")
        for name in names:
            method = prefix + name
            function = getattr(owner, name, None)
            if function is None:
                self._outcomes[method] = f"`{owner.__name__}` does not have it"
                continue
            self._outcomes[method] = None
            setattr(owner, name, self._noting(method, function))

    def _noting(self, method, function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            self.called(method, False)
            result = function(*args, **kwargs)
            if inspect.isawaitable(result):
                return self._awaited(method, result)
            self.called(method, True)
            return result

        return call

    async def _awaited(self, method, result):
        result = await result
        self.called(method, True)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self):
        self._calls = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item):
        outcomes = [mark.args for mark in item.iter_markers("outcome")]
        item.user_properties += [("calls", self._calls), ("outcomes", outcomes)]

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "teardown":
            self._reports[report.nodeid] = dict(report.user_properties)

    def pytest_sessionfinish(self, session):
        if not FILE or hasattr(session.config, "workerinput"):
            return
        seen, broken = {}, {}
        for test, properties in sorted(self._reports.items()):
            calls = properties.get("calls", {})
            if test in self._failed:
                broken = dict.fromkeys(calls, re.sub(r"^.*/", "", test)) | broken
                continue
            for method, succeeded in calls.items():
                if succeeded:
                    seen.setdefault(method, "works")
            seen.update(properties.get("outcomes", []))
        with open(FILE, "a") as file:
            for method, outcome in self._outcomes.items():
                if method in broken:
                    outcome = f"fails in {broken[method]}"
                elif outcome is None:
                    outcome = seen.get(method, "no test saw it succeed")
                line = {
                    "client": self._client,
                    "version": self._version,
                    "method": method,
                    "outcome": outcome,
                }
                file.write(json.dumps(line) + "\n")


def pytest_configure(config):
    config.addinivalue_line("markers", "outcome(method, text): what the test shows of a method")
    if not FILE:
        return
    import pymilvus

    compat = Compat("pymilvus", pymilvus.__version__)
    compat.watch(pymilvus.MilvusClient, CLIENT_METHODS)
    compat.watch(pymilvus.AsyncMilvusClient, CLIENT_METHODS, "AsyncMilvusClient.")
    compat.watch(pymilvus.Role, ROLE_METHODS, "Role.")
    compat.watch(pymilvus.utility, UTILITY_METHODS, "utility.")
    compat.watch(pymilvus.db, DATABASE_METHODS, "db.")
    compat.watch(pymilvus.connections, ["connect"], "connections.")
    config.pluginmanager.register(compat)
