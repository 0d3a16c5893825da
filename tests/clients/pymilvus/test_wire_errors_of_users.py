"""Refusals of calls about users and roles: code, legacy code and text."""

from facts import NO_ROLE
from harness import base64_text
from messages import EMPTY, NEW_PASSWORD, NEW_USER, check_error, error_cases

TOO_SHORT = "invalid password length: invalid parameter[5 out of range 6 <= value <= 72]"
NOT_BASE64 = "illegal base64 data at input byte 0"

# RPC, request, code, legacy code, reason.
ERRORS = [
    ("CreateCredential", {}, 1100, 5, "username must be not empty: invalid parameter"),
    (
        "CreateCredential",
        NEW_USER | {"description": "d" * 1025},
        1100,
        5,
        "invalid user description with length 1025, the length of user description must be less than "
        "or equal to 1024: invalid parameter",
    ),
    (
        "CreateCredential",
        NEW_USER | {"password": "???"},
        1100,
        5,
        f"decode password fail: {NOT_BASE64}",
    ),
    ("CreateCredential", NEW_USER | {"password": base64_text("12345")}, 1100, 5, TOO_SHORT),
    (
        "CreateCredential",
        NEW_USER | {"username": "u1"},
        1100,
        29,
        "user already exists: u1: invalid parameter",
    ),
    (
        "UpdateCredential",
        {"username": "u1"},
        1100,
        5,
        "must update either password or description: invalid parameter",
    ),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"oldPassword": "???"},
        1100,
        5,
        f"decode old password failed: {NOT_BASE64}",
    ),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"newPassword": "???"},
        1100,
        5,
        f"decode password failed: {NOT_BASE64}",
    ),
    ("UpdateCredential", NEW_PASSWORD | {"newPassword": base64_text("12345")}, 1100, 5, TOO_SHORT),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"oldPassword": base64_text("wrong one")},
        1400,
        1,
        "old password not correct for u1: not authenticated",
    ),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"username": "nobody"},
        1400,
        1,
        "old password not correct for nobody: not authenticated",
    ),
    (
        "UpdateCredential",
        {"username": "nobody", "description": "d"},
        65535,
        30,
        "failed to check if update credential: user not found",
    ),
    (
        "DeleteCredential",
        {"username": "root"},
        1401,
        1,
        "root user cannot be deleted: privilege not permitted",
    ),
    (
        "DeleteCredential",
        {},
        1100,
        31,
        "failed to check if delete credential: username is empty: invalid parameter",
    ),
    ("CreateRole", {}, 1100, 5, f"role name {EMPTY}"),
    (
        "CreateRole",
        {"entity": {"name": "r2", "description": "d" * 1025}},
        1100,
        5,
        "the length of role description must be not greater than limit: invalid parameter"
        "[1025 out of range 0 <= value <= 1024]",
    ),
    (
        "CreateRole",
        {"entity": {"name": "r1"}},
        1100,
        35,
        'role [name:"r1"] already exists: invalid parameter',
    ),
    ("AlterRole", {}, 1100, 5, f"role name {EMPTY}"),
    (
        "AlterRole",
        {"role_name": "admin", "description": "d"},
        1401,
        1,
        "the role[admin] is a default role, which can't be altered: privilege not permitted",
    ),
    ("AlterRole", {"role_name": "nope"}, 65535, 1, "failed to check if alter role: role not exists"),
    ("DropRole", {}, 1100, 5, f"role name {EMPTY}"),
    (
        "DropRole",
        {"role_name": "public", "force_drop": True},
        1401,
        1,
        "the role[public] is a default role, which can't be dropped: privilege not permitted",
    ),
    ("DropRole", {"role_name": "nope", "force_drop": True}, 1100, 36, NO_ROLE),
    (
        "DropRole",
        {"role_name": "r1"},
        1100,
        36,
        "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to "
        "revoke privileges: invalid parameter",
    ),
    ("OperateUserRole", {"role_name": "r1"}, 1100, 5, "username must be not empty: invalid parameter"),
    ("OperateUserRole", {"username": "u1"}, 1100, 5, f"role name {EMPTY}"),
    ("OperateUserRole", {"username": "u1", "role_name": "nope"}, 1100, 37, NO_ROLE),
    (
        "OperateUserRole",
        {"username": "nobody", "role_name": "r1"},
        1100,
        37,
        'failed to check if operate user role: user "nobody" not found: invalid parameter',
    ),
    (
        "OperateUserRole",
        {"username": "u1", "role_name": "r1", "type": 7},
        65535,
        37,
        "invalid operate user role type",
    ),
    ("SelectRole", {"role": {}}, 1100, 5, f"role name {EMPTY}"),
    ("SelectUser", {"user": {}}, 1100, 5, "username must be not empty: invalid parameter"),
]


@error_cases(ERRORS)
def test_errors(wire, populated, rpc, request_fields, code, legacy, reason):
    check_error(wire.call(rpc, **request_fields).status, code, legacy, reason)


def test_error_of_a_limit(start):
    wire = start("--max-users", "1", "--max-roles", "2").wire()
    for rpc, fields, legacy, text in [
        (
            "CreateCredential",
            NEW_USER,
            29,
            "failed to check if add credential: quota exceeded[reason=unable to add user because the "
            "number of users has reached the limit]…",
        ),
        (
            "CreateRole",
            {"entity": {"name": "r1"}},
            35,
            "failed to check if create role: quota exceeded[reason=unable to create role because the "
            "number of roles has reached the limit]…",
        ),
    ]:
        check_error(wire.call(rpc, **fields).status, 9, legacy, text)
