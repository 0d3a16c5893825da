"""Calls about what is there already or not at all: as in the newest release, whose table is used."""

import pytest

from harness import add_user, everything, refused
from older import RELEASE
from test_client_idempotency import IDEMPOTENCY

NEW = ("update_user", "alter_role")


@pytest.mark.parametrize("case", [c for c in IDEMPOTENCY if RELEASE != "2.5" or not c.startswith(NEW)])
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
        with refused(code, containing=text, legacy=legacy):
            call(client)
    assert everything(client) == before
