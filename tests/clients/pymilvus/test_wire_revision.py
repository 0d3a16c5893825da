"""The revision of the state, which every answer carries, and waiting for one."""

import threading
import time

import grpc
import pytest

from facts import SERVED
from harness import rpc_error
from messages import NEW_PASSWORD, NEW_USER, operate_group, operate_v1, operate_v2, restore_rbac, select_grant


def test_is_on_every_answer(wire, populated):
    for rpc in SERVED:
        assert wire.call(rpc).revision > 0, rpc


def test_is_on_refusals_of_users(server, wire, populated):
    with pytest.raises(grpc.RpcError) as caught:
        server.wire("u1").call("ListCredUsers")
    error = caught.value
    metadata = dict((*error.initial_metadata(), *error.trailing_metadata()))
    assert int(metadata["milvus-rbac-revision"]) == wire.call("GetVersion").revision


CHANGES = [
    ("CreateCredential", NEW_USER),
    ("UpdateCredential", NEW_PASSWORD),
    ("UpdateCredential", {"username": "u1", "description": "d"}),
    ("DeleteCredential", {"username": "u2"}),
    ("CreateRole", {"entity": {"name": "r2"}}),
    ("AlterRole", {"role_name": "r2", "description": "d"}),
    ("OperateUserRole", {"username": "u1", "role_name": "r2"}),
    ("OperateUserRole", {"username": "u1", "role_name": "r2", "type": 1}),
    ("DropRole", {"role_name": "r2"}),
    # One change, though it brings two more privileges.
    ("OperatePrivilege", operate_v1(grantor={"privilege": {"name": "Load"}})),
    ("OperatePrivilege", operate_v1(grantor={"privilege": {"name": "Load"}}, type=1)),
    ("OperatePrivilegeV2", operate_v2(grantor={"privilege": {"name": "Query"}})),
    ("CreatePrivilegeGroup", {"group_name": "g2"}),
    ("OperatePrivilegeGroup", operate_group("g2", ["Search", "Query"])),
    ("OperatePrivilegeGroup", operate_group("g2", type=1)),
    ("DropPrivilegeGroup", {"group_name": "g2"}),
    ("CreateDatabase", {"db_name": "db1"}),
    ("DropDatabase", {"db_name": "db1"}),
    ("RestoreRBAC", restore_rbac(roles=[{"name": "r3"}, {"name": "r4"}])),
    ("DropRole", {"role_name": "r1", "force_drop": True}),
]


def test_rises_by_one_for_each_change(wire, populated):
    before = wire.call("GetVersion").revision
    for rpc, fields in CHANGES:
        answer = wire.call(rpc, **fields)
        assert answer.status.code == 0, (rpc, answer.status.reason)
        assert answer.revision == before + 1, rpc
        before = answer.revision
        assert wire.call("GetVersion").revision == before


def test_stays_without_a_change(wire, populated):
    before = wire.call("GetVersion").revision
    for rpc, fields in [
        ("ListCredUsers", {}),
        ("SelectGrant", select_grant()),
        ("BackupRBAC", {}),
        # Refused.
        ("CreateRole", {"entity": {"name": "r1"}}),
        ("DropRole", {"role_name": "nope"}),
        # Fulfilled already.
        ("DeleteCredential", {"username": "nobody"}),
        ("OperateUserRole", {"username": "u1", "role_name": "r1"}),
        ("OperatePrivilege", operate_v1()),
        ("OperatePrivilegeV2", operate_v2()),
        ("OperatePrivilegeGroup", operate_group("g1")),
        ("DropPrivilegeGroup", {"group_name": "nope"}),
        ("RestoreRBAC", {}),
    ]:
        assert wire.call(rpc, **fields).revision == before, rpc


def test_may_be_demanded(wire):
    revision = wire.call("CreateRole", entity={"name": "r1"}).revision
    for demanded in (0, 1, revision):
        answer = wire.call("SelectRole", metadata=[("milvus-rbac-min-revision", str(demanded))])
        assert answer.revision == revision


def test_is_waited_for_until_the_deadline(wire):
    revision = wire.call("GetVersion").revision
    started = time.monotonic()
    with rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED):
        wire.call(
            "SelectRole",
            metadata=[("milvus-rbac-min-revision", str(revision + 1))],
            timeout=1,
        )
    assert 0.5 < time.monotonic() - started < 3
    assert wire.call("GetVersion").revision == revision


def test_is_waited_for_until_it_is_reached(server, wire):
    revision = wire.call("GetVersion").revision
    waiting = server.wire()
    found = []

    def wait():
        demand = [("milvus-rbac-min-revision", str(revision + 1))]
        found.append(waiting.call("SelectRole", role={"name": "r1"}, metadata=demand))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    assert found == []
    wire.ok("CreateRole", entity={"name": "r1"})
    thread.join(10)
    (answer,) = found
    assert len(answer.message.results) == 1


@pytest.mark.parametrize("demanded", ["", "x", "-1", "1.5", "99999999999999999999999", "1 2"])
def test_is_a_number(wire, demanded):
    with rpc_error(grpc.StatusCode.INVALID_ARGUMENT, containing=["milvus-rbac-min-revision"]):
        wire.call("SelectRole", metadata=[("milvus-rbac-min-revision", demanded)])
