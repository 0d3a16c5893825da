"""Names and numbers that no client should send: refused with a short answer, and the server goes on."""

import time

import grpc
import pytest

from facts import GROUP_CHECK
from harness import FINAL, PASSWORD, base64_text
from messages import (
    NEW_PASSWORD,
    check_error,
    operate_group,
    operate_v1,
    operate_v2,
    restore_rbac,
    select_grant,
)

pytestmark = pytest.mark.usefixtures("goes_on")


MEGABYTE = 1 << 20
BAD_NAMES = {
    "NUL": "a\0b",
    "slash": "a/b",
    "dot": "a.b",
    "dots": "../../etc/passwd",
    "blank": "a b",
    "newline": "a\nb",
    "quote": 'a"b',
    "not ASCII": "äöü",
    "right to left": "a\u202eb",
    "long": "a" * MEGABYTE,
}
# RPCs with a name, each with the request that holds it.
NAMED = {
    "CreateCredential": lambda name: {"username": name, "password": base64_text(PASSWORD)},
    "CreateRole": lambda name: {"entity": {"name": name}},
    "AlterRole": lambda name: {"role_name": name},
    "DropRole": lambda name: {"role_name": name},
    "OperateUserRole": lambda name: {"username": "u1", "role_name": name},
    "SelectRole": lambda name: {"role": {"name": name}},
    "OperatePrivilege": lambda name: operate_v1(role={"name": name}),
    "OperatePrivilege, object": lambda name: operate_v1(object_name=name),
    "OperatePrivilege, type": lambda name: operate_v1(object={"name": name}),
    "OperatePrivilege, privilege": lambda name: operate_v1(grantor={"privilege": {"name": name}}),
    "OperatePrivilege, database": lambda name: operate_v1(db_name=name),
    "OperatePrivilegeV2": lambda name: operate_v2(role={"name": name}),
    "OperatePrivilegeV2, collection": lambda name: operate_v2(collection_name=name),
    "OperatePrivilegeV2, privilege": lambda name: operate_v2(grantor={"privilege": {"name": name}}),
    "OperatePrivilegeV2, database": lambda name: operate_v2(db_name=name),
    "SelectGrant": lambda name: select_grant(role={"name": name}),
    "SelectGrant, type": lambda name: select_grant(object={"name": name}, object_name="c1"),
    "SelectGrant, object": lambda name: select_grant(object={"name": "Collection"}, object_name=name),
    "CreatePrivilegeGroup": lambda name: {"group_name": name},
    "DropPrivilegeGroup": lambda name: {"group_name": name},
    "OperatePrivilegeGroup": lambda name: operate_group(name),
    "OperatePrivilegeGroup, member": lambda name: operate_group("g1", [name]),
    "CreateDatabase": lambda name: {"db_name": name},
    "RestoreRBAC, role": lambda name: restore_rbac(roles=[{"name": name}]),
    "RestoreRBAC, user": lambda name: restore_rbac(users=[{"user": name, "password": "x"}]),
    "RestoreRBAC, group": lambda name: restore_rbac(privilege_groups=[{"group_name": name}]),
}


@pytest.mark.parametrize("case", BAD_NAMES)
def test_names(wire, case):
    name = BAD_NAMES[case]
    for what, request in NAMED.items():
        if (what, case) in {("CreateCredential", "dot"), ("RestoreRBAC, user", "dot")}:
            # A user's name may hold dots.
            continue
        try:
            status = wire.call(what.split(",")[0], **request(name)).status
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED), (
                what,
                error,
            )
            continue
        assert status.code in (802, 1100, 1402), (what, status.code, status.reason[:300])
        assert status.error_code != 0, what
        assert len(status.reason) < 4096, what


@pytest.mark.parametrize("case", BAD_NAMES)
def test_names_of_what_is_not_there(wire, case):
    """Where Milvus looks for the name without a word about its form."""
    name = BAD_NAMES[case]
    for rpc, request, codes in [
        ("DeleteCredential", {"username": name}, {0, 1100}),
        ("UpdateCredential", NEW_PASSWORD | {"username": name}, {1400, 1100}),
        ("DescribeDatabase", {"db_name": name}, {800, 802, 1100}),
        ("AlterDatabase", {"db_name": name}, {800, 802, 1100}),
        ("DropDatabase", {"db_name": name}, {800, 802, 1100}),
    ]:
        try:
            status = wire.call(rpc, **request).status
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED), (
                rpc,
                error,
            )
            continue
        assert status.code in codes, (rpc, status.code, status.reason[:300])
        assert len(status.reason) < 4096, rpc


def test_names_of_collections(server, wire):
    """They meet the check of privileges before anything else does."""
    user = server.wire("u1")
    for name in BAD_NAMES.values():
        with pytest.raises(grpc.RpcError) as caught:
            user.call("Query", collection_name=name, db_name=name)
        assert caught.value.code() in FINAL
        assert len(caught.value.details()) < 4096


@pytest.mark.parametrize("type", [2, 7, -1, 2**31 - 1, -(2**31)])
def test_unknown_enum_numbers(wire, type):
    for rpc, request in [
        ("OperateUserRole", {"username": "u1", "role_name": "r1", "type": type}),
        ("OperatePrivilege", operate_v1(type=type)),
        ("OperatePrivilegeV2", operate_v2(type=type)),
        ("OperatePrivilegeGroup", operate_group("g1", type=type)),
    ]:
        status = wire.call(rpc, **request).status
        assert status.code in (1100, 65535), rpc
        assert status.error_code != 0, rpc


def test_a_hundred_thousand_privileges(wire):
    started = time.monotonic()
    unknown = operate_group("g1", [f"Nonsense{number}" for number in range(100_000)])
    status = wire.call("OperatePrivilegeGroup", **unknown).status
    check_error(
        status,
        1100,
        61,
        f"{GROUP_CHECK}there is no privilege name or privilege group name [Nonsense0] defined in "
        "system to operate: invalid parameter",
    )
    wire.ok("OperatePrivilegeGroup", **operate_group("g1", ["Search"] * 100_000))
    assert time.monotonic() - started < 20


def test_a_large_backup(wire):
    started = time.monotonic()
    grants = [operate_v1(role={"name": "nope"})["entity"]] * 20_000
    status = wire.call("RestoreRBAC", **restore_rbac(grants=grants)).status
    assert status.code in (1100, 2), status.reason
    assert time.monotonic() - started < 20
