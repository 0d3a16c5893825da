"""Tells which methods of a client work: a pytest plugin that appends one JSON line for each method to the
file that MILVUS_RBAC_COMPAT names, and does nothing without it.

    MILVUS_RBAC_COMPAT=/tmp/compat.jsonl tests/clients/pymilvus/run -p compat

A method works if a test saw it succeed, and if all tests that call it passed. Suites of other clients make
a `Compat` of their own.
"""

import functools
import inspect
import json
import os
import re

import pytest

FILE = os.environ.get("MILVUS_RBAC_COMPAT", "")

CLIENT_METHODS = """
    create_user update_password update_user drop_user list_users describe_user grant_role revoke_role
    create_role alter_role drop_role describe_role list_roles
    grant_privilege revoke_privilege grant_privilege_v2 revoke_privilege_v2
    create_privilege_group drop_privilege_group list_privilege_groups add_privileges_to_group
    remove_privileges_from_group
""".split()
ROLE_METHODS = """
    create drop is_exist add_user remove_user get_users grant revoke grant_v2 revoke_v2 list_grant
    list_grants create_privilege_group drop_privilege_group list_privilege_groups
    add_privileges_to_group remove_privileges_from_group
""".split()
UTILITY_METHODS = """
    create_user update_password reset_password delete_user list_usernames list_user list_users list_roles
""".split()


class Compat:
    """Collects the calls of each test, and their fate. Workers hand theirs over with the tests' reports."""

    def __init__(self, client, version, methods=(), remarks=None):
        self._client = client
        self._version = version
        # What to say of methods that do all that is tested, and yet do not work well.
        self._remarks = remarks or {}
        self._outcomes = {method: None for method in methods}
        self._calls = {}
        self._failed = set()
        self._reports = {}

    def called(self, method, succeeded):
        """The running test called a method."""
        self._calls[method] = self._calls.get(method, False) or succeeded

    def watch(self, owner, names, prefix=""):
        """Notes the calls of functions of a class or module."""
        for name in names:
            method = prefix + name
            function = getattr(owner, name, None)
            if function is None:
                self._outcomes[method] = "the client does not have it"
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
        item.user_properties.append(("compat", self._calls))

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "teardown":
            self._reports[report.nodeid] = dict(report.user_properties).get("compat", {})

    def pytest_sessionfinish(self, session):
        if not FILE or hasattr(session.config, "workerinput"):
            return
        seen, broken = set(), {}
        for test, calls in self._reports.items():
            for method, succeeded in calls.items():
                if test in self._failed:
                    broken.setdefault(method, re.sub(r"^.*/", "", test))
                elif succeeded:
                    seen.add(method)
        with open(FILE, "a") as file:
            for method, outcome in self._outcomes.items():
                if method in broken:
                    outcome = f"fails in {broken[method]}"
                elif outcome is None:
                    works = self._remarks.get(method, "works")
                    outcome = works if method in seen else "no test saw it succeed"
                line = {
                    "client": self._client,
                    "version": self._version,
                    "method": method,
                    "outcome": outcome,
                }
                file.write(json.dumps(line) + "\n")


def pytest_configure(config):
    if not FILE:
        return
    import pymilvus

    compat = Compat("pymilvus", pymilvus.__version__)
    compat.watch(pymilvus.MilvusClient, CLIENT_METHODS)
    compat.watch(pymilvus.AsyncMilvusClient, CLIENT_METHODS, "AsyncMilvusClient.")
    compat.watch(pymilvus.Role, ROLE_METHODS, "Role.")
    compat.watch(pymilvus.utility, UTILITY_METHODS, "utility.")
    config.pluginmanager.register(compat)
