"""Calls about what is there already or not at all."""

import pytest

from facts import GRANT_CHECK, GROUP_CHECK, NO_ROLE
from harness import PASSWORD, add_user, everything, refused

# What happens when something is there already or not at all: the call and its error, if it has one.
IDEMPOTENCY = {
    "create_user, there": (
        lambda c: c.create_user("u1", PASSWORD),
        (1100, 29, "user already exists: u1: invalid parameter"),
    ),
    "update_password, missing": (
        lambda c: c.update_password("nobody", PASSWORD, PASSWORD),
        (1400, 1, "old password not correct for nobody: not authenticated"),
    ),
    "update_user, missing": (
        lambda c: c.update_user("nobody", description="d"),
        (65535, 30, "failed to check if update credential: user not found"),
    ),
    "drop_user, missing": (lambda c: c.drop_user("nobody"), None),
    "create_role, there": (
        lambda c: c.create_role("r1"),
        (1100, 35, 'role [name:"r1"] already exists: invalid parameter'),
    ),
    "alter_role, missing": (lambda c: c.alter_role("nope", "d"), (65535, 1, "role not exists")),
    "drop_role, missing": (lambda c: c.drop_role("nope"), (1100, 36, NO_ROLE)),
    "drop_role forced, missing": (lambda c: c.drop_role("nope", force_drop=True), (1100, 36, NO_ROLE)),
    "grant_role, there": (lambda c: c.grant_role("u1", "r1"), None),
    "grant_role, missing role": (lambda c: c.grant_role("u1", "nope"), (1100, 37, NO_ROLE)),
    "grant_role, missing user": (
        lambda c: c.grant_role("nobody", "r1"),
        (1100, 37, 'failed to check if operate user role: user "nobody" not found: invalid parameter'),
    ),
    "revoke_role, missing binding": (lambda c: c.revoke_role("root", "r1"), None),
    "revoke_role, missing role": (lambda c: c.revoke_role("u1", "nope"), (1100, 37, NO_ROLE)),
    "revoke_role, missing user": (lambda c: c.revoke_role("nobody", "r1"), None),
    "describe_user, missing": (lambda c: c.describe_user("nobody"), None),
    "describe_role, missing": (
        lambda c: c.describe_role("nope"),
        (1100, 42, 'the role "nope" does not exist: invalid parameter'),
    ),
    "grant_privilege, there": (lambda c: c.grant_privilege("r1", "Collection", "Search", "c1"), None),
    "grant_privilege, missing role": (
        lambda c: c.grant_privilege("nope", "Collection", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "revoke_privilege, missing": (
        lambda c: c.revoke_privilege("r1", "Collection", "Search", "c2"),
        None,
    ),
    "revoke_privilege, missing role": (
        lambda c: c.revoke_privilege("nope", "Collection", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "grant_privilege_v2, there": (lambda c: c.grant_privilege_v2("r1", "Search", "c1"), None),
    "grant_privilege_v2, missing role": (
        lambda c: c.grant_privilege_v2("nope", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "revoke_privilege_v2, missing": (lambda c: c.revoke_privilege_v2("r1", "Search", "c2"), None),
    "revoke_privilege_v2, missing role": (
        lambda c: c.revoke_privilege_v2("nope", "Search", "c1"),
        (1100, 41, f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter'),
    ),
    "create_privilege_group, there": (
        lambda c: c.create_privilege_group("g1"),
        (
            1100,
            58,
            "failed to check if privilege group creatable: privilege group name [g1] is defined by "
            "users: invalid parameter",
        ),
    ),
    "drop_privilege_group, missing": (lambda c: c.drop_privilege_group("nope"), None),
    "add_privileges_to_group, there": (lambda c: c.add_privileges_to_group("g1", ["Search"]), None),
    "add_privileges_to_group, missing group": (
        lambda c: c.add_privileges_to_group("nope", ["Search"]),
        (
            1100,
            61,
            f"{GROUP_CHECK}there is no privilege group name [nope] defined in system to operate: "
            "invalid parameter",
        ),
    ),
    "remove_privileges_from_group, missing": (
        lambda c: c.remove_privileges_from_group("g1", ["Query"]),
        None,
    ),
    "remove_privileges_from_group, missing group": (
        lambda c: c.remove_privileges_from_group("nope", ["Search"]),
        (
            1100,
            61,
            f"{GROUP_CHECK}there is no privilege group name [nope] defined in system to operate: "
            "invalid parameter",
        ),
    ),
}


@pytest.mark.parametrize("case", IDEMPOTENCY)
def test_idempotency(client, r1, case):
    client.create_privilege_group("g1")
    client.add_privileges_to_group("g1", ["Search"])
    client.grant_privilege_v2("r1", "Search", "c1")
    add_user(client, "u1", "r1")

    before = everything(client)
    call, error = IDEMPOTENCY[case]
    if error is None:
        assert not call(client)
    else:
        code, legacy, text = error
        with refused(code, containing=text, legacy=legacy) as caught:
            call(client)
        if case != "alter_role, missing":
            assert caught.value.message == text
    assert everything(client) == before
