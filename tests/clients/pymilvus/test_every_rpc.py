"""Each RPC of the published interface: what it needs, and that what is not served says so."""

import threading
import time

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from decisions import decision
from facts import CLUSTER_LEVEL, REFUSED, SERVED
from harness import SERVICE, denial, path, rpc_error

# What the role public grants to everyone.
PUBLIC = {"DescribeCollection", "ListAliases", "IndexDetail"}
# Row policies have privileges of their own in interfaces newer than that of pymilvus 3.0.2.
NEWER = {"CreateRowPolicy": "ManageRLS", "DropRowPolicy": "ManageRLS", "ListRowPolicies": "ViewRLS"}


def stated_privilege(method):
    options = method.input_type.GetOptions()
    if not options.HasExtension(common_pb2.privilege_ext_obj):
        return None
    number = options.Extensions[common_pb2.privilege_ext_obj].object_privilege
    return common_pb2.ObjectPrivilege.Name(number).removeprefix("Privilege")


STREAMS = [m.name for m in SERVICE.methods if m.client_streaming or m.server_streaming]
PRIVILEGES = {m.name: stated_privilege(m) for m in SERVICE.methods if m.name not in STREAMS} | NEWER
NEEDING = {rpc: privilege for rpc, privilege in PRIVILEGES.items() if privilege is not None}
OPEN = [rpc for rpc in PRIVILEGES if rpc not in NEEDING and rpc in SERVED]
# Without a stated privilege they have a class of their own.
CLOSED = [rpc for rpc in PRIVILEGES if rpc not in NEEDING and rpc not in SERVED]
# Of these, the ones for every user: HasCollection needs what public grants.
CLOSED_OPEN = {"CalcDistance", "ComputePhraseMatchSlop", "HasCollection", "RunAnalyzer"}
DENIED = grpc.StatusCode.PERMISSION_DENIED


def not_served(rpc):
    """The refusal says which call it was, and what is missing."""
    return rpc_error(grpc.StatusCode.UNIMPLEMENTED, containing=[rpc, "--upstream"])


def test_they_are_known():
    """The lists of these tests are those of pymilvus 3.0.2; another version may need other tests."""
    assert (len(NEEDING), len(OPEN), len(CLOSED), len(STREAMS)) == (112, 7, 23, 2)
    assert set(SERVED) - set(NEEDING) == set(OPEN)
    assert set(REFUSED) <= set(NEEDING)


def test_nothing_without_a_privilege(server, prepared):
    wire = server.wire("u1")
    expected = {
        rpc: None if privilege in PUBLIC else denial(privilege, database=shown_database(privilege))
        for rpc, privilege in NEEDING.items()
    }
    assert {rpc: decision(wire, rpc) for rpc in NEEDING} == expected


def shown_database(privilege):
    return "*" if privilege in CLUSTER_LEVEL else "default"


def test_its_privilege_is_enough_and_needed(server, prepared):
    wire = server.wire("u1")
    wrong = {}
    for rpc, privilege in NEEDING.items():
        prepared.grant_privilege_v2("r1", privilege, "*", db_name="*")
        allowed = decision(wire, rpc)
        prepared.revoke_privilege_v2("r1", privilege, "*", db_name="*")
        refused = decision(wire, rpc)
        if allowed is not None or (refused is None) != (privilege in PUBLIC):
            wrong[rpc] = (allowed, refused)
    assert wrong == {}


@pytest.mark.parametrize("rpc", OPEN)
def test_open_to_all_users(server, prepared, rpc):
    server.wire("u1").ok(rpc)


def test_what_is_not_served_says_so(server, prepared):
    for rpc in CLOSED:
        with not_served(rpc):
            server.wire().call(rpc)
        with not_served(rpc) if rpc in CLOSED_OPEN else rpc_error(DENIED, containing=["permission deny to u1"]):
            server.wire("u1").call(rpc)


def test_what_is_allowed_and_not_served_says_so(server, prepared):
    prepared.grant_privilege_v2("r1", "All", "*", db_name="*")
    for wire in (server.wire(), server.wire("u1")):
        for rpc in sorted(NEEDING.keys() - SERVED - set(REFUSED)):
            with not_served(rpc):
                wire.call(rpc)


def telemetry(server, user, rpc, answer):
    """pymilvus sends heartbeats beside other calls: they must not hold it up."""
    started = time.monotonic()
    data = server.wire(user).raw(f"/milvus.proto.milvus.ClientTelemetryService/{rpc}", b"", timeout=5)
    assert time.monotonic() - started < 1
    return answer.FromString(data)


def test_heartbeats_are_answered(server, prepared):
    for user in ("root", "u1"):
        before = time.time() * 1000
        answer = telemetry(server, user, "ClientHeartbeat", milvus_pb2.ClientHeartbeatResponse)
        assert answer.status == common_pb2.Status()
        assert before - 1000 < answer.server_timestamp < before + 10_000
        assert not answer.commands


def test_telemetry_is_kept_nowhere(server, prepared):
    answer = telemetry(server, "root", "GetClientTelemetry", milvus_pb2.GetClientTelemetryResponse)
    assert answer == milvus_pb2.GetClientTelemetryResponse(status=common_pb2.Status())
    for rpc in ("PushClientCommand", "DeleteClientCommand"):
        answer = telemetry(server, "root", rpc, getattr(milvus_pb2, f"{rpc}Response"))
        assert (answer.status.code, answer.status.reason) == (
            10,
            f"{rpc}: commands to clients are not supported",
        )


@pytest.mark.parametrize("rpc", ["GetClientTelemetry", "PushClientCommand", "DeleteClientCommand"])
def test_telemetry_of_others_is_for_administrators(server, prepared, rpc):
    with rpc_error(DENIED, containing=["permission deny to u1"]):
        telemetry(server, "u1", rpc, milvus_pb2.GetClientTelemetryResponse)
    prepared.grant_role("u1", "admin")
    telemetry(server, "u1", rpc, milvus_pb2.GetClientTelemetryResponse)


@pytest.mark.parametrize("messages", [[], [b""], [b"", b"\x12\x01a"]], ids=["none", "one", "two"])
@pytest.mark.parametrize("rpc", STREAMS)
def test_streams_are_not_served(server, prepared, rpc, messages):
    with not_served(rpc):
        server.wire().stream(path(rpc), messages)
    with rpc_error(DENIED, containing=["permission deny to u1 in the `*` database"]):
        server.wire("u1").stream(path(rpc), messages)


@pytest.mark.parametrize("rpc", STREAMS)
def test_streams_are_refused_while_they_go_on(server, prepared, rpc):
    given_up = threading.Event()

    def messages():
        yield b""
        given_up.wait(10)

    started = time.monotonic()
    try:
        with rpc_error(DENIED, containing=["permission deny to u1"]):
            server.wire("u1").stream(path(rpc), messages(), timeout=5)
        assert time.monotonic() - started < 2
    finally:
        given_up.set()
