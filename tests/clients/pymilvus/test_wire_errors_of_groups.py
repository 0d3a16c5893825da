"""Refusals of calls about privilege groups, backups and databases: code, legacy code and text."""

from facts import GROUP_CHECK, GROUP_TAKEN, RESTORE_CHECK
from messages import EMPTY, check_error, error_cases, operate_group, operate_v1, restore_rbac

# RPC, request, code, legacy code, reason.
ERRORS = [
    (
        "CreatePrivilegeGroup",
        {},
        1402,
        1,
        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]",
    ),
    ("CreatePrivilegeGroup", {"group_name": "1g"}, 1402, 1, "1g: invalid privilege group name[…"),
    (
        "CreatePrivilegeGroup",
        {"group_name": "g-1"},
        1100,
        5,
        "privilege group name g-1 can only contain numbers, letters and underscores: invalid parameter",
    ),
    (
        "CreatePrivilegeGroup",
        {"group_name": "g1"},
        1100,
        58,
        "failed to check if privilege group creatable: privilege group name [g1] is defined by users"
        ": invalid parameter",
    ),
    ("CreatePrivilegeGroup", {"group_name": "Search"}, 1100, 58, GROUP_TAKEN.format("Search")),
    (
        "DropPrivilegeGroup",
        {},
        1402,
        1,
        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]",
    ),
    (
        "DropPrivilegeGroup",
        {"group_name": "g1"},
        1100,
        59,
        "failed to check if privilege group dropable: privilege group [g1] is used by role [r1], Use "
        "REVOKE API to revoke it first: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate_group(""),
        1402,
        1,
        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]",
    ),
    ("OperatePrivilegeGroup", operate_group("g1", [""]), 1100, 5, f"Privilege {EMPTY}"),
    (
        "OperatePrivilegeGroup",
        operate_group("nope"),
        1100,
        61,
        f"{GROUP_CHECK}there is no privilege group name [nope] defined in system to operate"
        ": invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate_group("g1", []),
        1100,
        61,
        f"{GROUP_CHECK}privileges is empty when alter the privilege group: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate_group("g1", ["Search", "Nonsense"], type=1),
        1100,
        61,
        f"{GROUP_CHECK}there is no privilege name or privilege group name [Nonsense] defined in system "
        "to operate: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate_group("g1", ["CreateDatabase"]),
        1100,
        61,
        f"{GROUP_CHECK}privileges are not the same privilege level: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate_group("g1", type=7),
        65535,
        61,
        "invalid operate privilege group type",
    ),
    (
        "RestoreRBAC",
        restore_rbac(roles=[{"name": "r1"}]),
        1100,
        41,
        f"{RESTORE_CHECK}role [r1] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore_rbac(roles=[{"name": "admin"}]),
        1100,
        41,
        f"{RESTORE_CHECK}role [admin] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore_rbac(privilege_groups=[{"group_name": "g1"}]),
        1100,
        41,
        f"{RESTORE_CHECK}privilege group [g1] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore_rbac(grants=[operate_v1(grantor={"privilege": {"name": "Nonsense"}})["entity"]]),
        1100,
        41,
        f"{RESTORE_CHECK}privilege [Nonsense] does not exist: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore_rbac(users=[{"user": "u1"}]),
        1100,
        41,
        f"{RESTORE_CHECK}user [u1] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore_rbac(users=[{"user": "u2", "roles": [{"name": "nope"}]}]),
        1100,
        41,
        f"{RESTORE_CHECK}role [nope] does not exist: invalid parameter",
    ),
]


@error_cases(ERRORS)
def test_errors(wire, populated, rpc, request_fields, code, legacy, reason):
    check_error(wire.call(rpc, **request_fields).status, code, legacy, reason)


def test_error_of_an_unknown_database(wire):
    status = wire.call("Connect", metadata=[("dbname", "nope")]).status
    check_error(status, 800, 1, "database not found[database=nope]", is_input_error=True)
    for rpc in ("DescribeDatabase", "AlterDatabase", "DropDatabase"):
        check_error(wire.call(rpc, db_name="nope").status, 800, 1, "database not found[database=nope]")
