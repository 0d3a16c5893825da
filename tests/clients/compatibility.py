#!/usr/bin/env python3
"""Writes the table of clients in README.md from what the suites saw.

    tests/clients/compatibility.py FILE            writes it
    tests/clients/compatibility.py --check FILE    fails if it is not the one in README.md

FILE is what MILVUS_RBAC_COMPAT named when all suites ran: a JSON object in each line, with the client, its
version, a method and its outcome. An outcome is "works", "works; BUT", "... does not have it", or else
tells what goes wrong.
"""

import argparse
import difflib
import json
import pathlib
import re
import sys

README = pathlib.Path(__file__).parents[2] / "README.md"
START = "<!-- compatibility: written by tests/clients/compatibility.py, do not edit -->\n"
END = "<!-- end of compatibility -->\n"

CLIENTS = ["pymilvus", "Java SDK", "Go client", "Node SDK", "grpcurl", "milvus-cli", "curl"]

# What the clients' methods do, in Milvus' own terms. Upper case, underscores and blanks do not count. A
# name may stand with its class or its client, where others of that name do something else.
OPERATIONS = {
    "Connect, credentials": """
        connect, __init__, New, credentials, connections.connect, list connections,
        close, closeConnection, disconnect, exit
    """,
    "GetVersion": "getVersion, get_server_version, server_version, utility.get_server_version, getServerVersionV2",
    "CheckHealth": "checkHealth",
    "GetComponentStates": "GetComponentStates",
    "AllocTimestamp": "AllocTimestamp",
    "CreateCredential": "create_user, /users/create, CreateCredential",
    "UpdateCredential": """
        update_user, update_password, updateUserPassword, utility.reset_password, /users/update_password,
        UpdateCredential
    """,
    "DeleteCredential": "drop_user, delete_user, /users/drop, DeleteCredential",
    "ListCredUsers": "list_users, utility.list_usernames, /users/list, ListCredUsers",
    "SelectUser": "describe_user, show user, selectUser, utility.list_user, utility.list_users, /users/describe",
    "CreateRole": "create_role, Role.create, /roles/create",
    "AlterRole": "alter_role, /roles/alter",
    "DropRole": "drop_role, delete role, dropAllRoles, Role.drop, /roles/drop",
    "SelectRole": """
        list_roles, selectRole, hasRole, Node SDK.describeRole, Role.is_exist, Role.get_users, /roles/list
    """,
    "OperateUserRole": """
        grant_role, revoke_role, addUserToRole, removeUserFromRole, grantRoleToUser, revokeRoleFromUser,
        Role.add_user, Role.remove_user, /users/grant_role, /users/revoke_role, OperateUserRole
    """,
    "OperatePrivilege": """
        grant_privilege, revoke_privilege, grantRolePrivilege, revokeRolePrivilege, grantPrivilegeToRole,
        revokePrivilegeFromRole, Role.grant, Role.revoke, /roles/grant_privilege, /roles/revoke_privilege,
        OperatePrivilege
    """,
    "OperatePrivilegeV2": """
        grant_privilege_v2, revoke_privilege_v2, GrantV2, RevokeV2, Role.grant_v2, Role.revoke_v2,
        /roles/grant_privilege_v2, /roles/revoke_privilege_v2, OperatePrivilegeV2
    """,
    "SelectGrant": """
        describe_role, show role, list grants, listGrant, selectGrant, Role.list_grant, Role.list_grants,
        /roles/describe
    """,
    "CreatePrivilegeGroup": "create_privilege_group, /privilege_groups/create",
    "DropPrivilegeGroup": "drop_privilege_group, delete privilege_group, /privilege_groups/drop",
    "ListPrivilegeGroups": "list_privilege_groups, /privilege_groups/list",
    "OperatePrivilegeGroup": """
        add_privileges_to_group, remove_privileges_from_group, grant privilege_group, revoke privilege_group,
        /privilege_groups/add_privileges_to_group, /privilege_groups/remove_privileges_from_group,
        OperatePrivilegeGroup
    """,
    "BackupRBAC": "backupRBAC",
    "RestoreRBAC": "restoreRBAC",
    "CreateDatabase": "create_database, /databases/create",
    "DropDatabase": "drop_database, delete database, /databases/drop",
    "AlterDatabase": """
        alter_database, alter_database_properties, drop_database_properties, db.set_properties,
        /databases/alter, /databases/alter_properties, /databases/drop_properties
    """,
    "ListDatabases": "list_databases, list_database, /databases/list",
    "DescribeDatabase": "describe_database, show database, /databases/describe",
    "use another database": "use, use_database, using_database, currentUsedDatabase",
    "ShowCollections": "list_collections, listCollectionsV2, showCollections, /collections/list",
    "user tags, row policies": """
        AddUserTags, DeleteUserTags, GetUserTags, ListUsersWithTag, CreateRowPolicy, UpdateRowPolicy,
        DropRowPolicy, ListRowPolicies, SetRLSPrincipalTags, GetRLSPrincipalTags, ListRLSPrincipals,
        DeleteRLSPrincipalTags
    """,
    "gRPC health": "health",
    "gRPC reflection": "list, describe, reflection v1alpha, protoset",
}

MISSING = "does not have it"
# A note on more methods than these names none: it is about the client.
NAMED_METHODS = 3


def plain(name):
    return re.sub("[_ ]", "", name).lower()


NAMED = {
    plain(name.strip()): operation for operation, names in OPERATIONS.items() for name in names.split(",")
}


def operation_of(client, method):
    for name in (f"{client}.{method}", method, method.rpartition(".")[2]):
        if plain(name) in NAMED:
            return NAMED[plain(name)]
    sys.exit(f"{client}: no operation has the method {method!r}: see OPERATIONS in {__file__}")


def read(file):
    """The outcomes of the methods, by operation and by client and version."""
    seen = {}
    for line in file.read_text().splitlines():
        row = json.loads(line)
        client, method = row["client"], row["method"]
        if client not in CLIENTS:
            sys.exit(f"unknown client {client!r}: see CLIENTS in {__file__}")
        cell = seen.setdefault((operation_of(client, method), client, row["version"]), {})
        if method in cell:
            sys.exit(f"{client} {row['version']}: {method!r} comes twice: is {file} of more than one run?")
        cell[method] = row["outcome"]
    missing = set(CLIENTS) - {client for _, client, _ in seen}
    if missing:
        sys.exit(f"no outcomes of {', '.join(sorted(missing))}: were all suites run?")
    return seen


def columns(seen):
    """The clients with their versions, the newest version first."""

    def place(column):
        client, version = column
        return CLIENTS.index(client), [-int(number) for number in re.findall(r"\d+", version)]

    return sorted({(client, version) for _, client, version in seen}, key=place)


class Notes:
    """What there is to say of methods that do not simply work, numbered as it comes up."""

    def __init__(self):
        self._methods = {}

    def number(self, column, method, outcome):
        key = (column, outcome.removeprefix("works; "))
        self._methods.setdefault(key, []).append(method)
        return list(self._methods).index(key) + 1

    def lines(self):
        for number, ((column, text), methods) in enumerate(self._methods.items(), 1):
            names = ", ".join(f"`{method}`" for method in methods)
            about = f"{title(column)}, {names}" if len(methods) <= NAMED_METHODS else title(column)
            yield f"{number}. {about}: {text}"


def title(column):
    return " ".join(column).strip()


def cell(notes, column, outcomes):
    if all(outcome.endswith(MISSING) for outcome in outcomes.values()):
        return "–"
    works = any(outcome == "works" or outcome.startswith("works; ") for outcome in outcomes.values())
    numbers = sorted(
        {notes.number(column, name, text) for name, text in outcomes.items() if text != "works"}
    )
    shown = ["✓"] if works else []
    if numbers:
        shown.append(f"({', '.join(map(str, numbers))})")
    return " ".join(shown)


def table(seen):
    notes = Notes()
    heads = columns(seen)
    rows = [["call", *map(title, heads)], ["---", *[":-:"] * len(heads)]]
    for operation in OPERATIONS:
        cells = [cell(notes, column, seen.get((operation, *column), {})) for column in heads]
        rows.append([operation, *cells])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *notes.lines()]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("file", type=pathlib.Path)
    options = parser.parse_args()

    readme = README.read_text()
    if readme.count(START) != 1 or readme.count(END) != 1:
        sys.exit(f"README.md must have these lines once:\n{START}{END}")
    before, _, rest = readme.partition(START)
    old, _, after = rest.partition(END)
    new = f"\n{table(read(options.file))}\n"
    if not options.check:
        README.write_text(f"{before}{START}{new}{END}{after}")
    elif old != new:
        diff = difflib.unified_diff(
            old.splitlines(), new.splitlines(), "README.md", "what the suites saw", n=0, lineterm=""
        )
        print("\n".join(diff))
        sys.exit(
            "README.md's table of clients is not what the suites saw. If it is meant to change:\n"
            f"  tests/clients/compatibility.py {options.file}"
        )


if __name__ == "__main__":
    main()
