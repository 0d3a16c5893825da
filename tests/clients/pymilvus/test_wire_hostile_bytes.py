"""Bytes that no client should send: refused with a short answer, and the server goes on."""

import random
import socket

import grpc
import pytest
from pymilvus.grpc_gen import milvus_pb2

from facts import SERVED
from harness import FINAL, Wire, base64_text, login, path, rpc_error

pytestmark = pytest.mark.usefixtures("goes_on")


NOT_UTF8 = [
    ("DropRole", b"\x12\x02\xff\xfe"),
    ("DeleteCredential", b"\x12\x02\xc0\x80"),
    ("CreateRole", b"\x12\x04\x0a\x02\xff\xfe"),
    ("CreatePrivilegeGroup", b"\x12\x03\xed\xa0\x80"),
    ("DescribeDatabase", b"\x12\x01\xff"),
    ("OperatePrivilegeV2", b"\x12\x04\x0a\x02\xff\xfe"),
]


@pytest.mark.parametrize("rpc, payload", NOT_UTF8)
def test_text_that_is_not_utf8(wire, rpc, payload):
    with rpc_error(grpc.StatusCode.INVALID_ARGUMENT):
        wire.raw(path(rpc), payload)


@pytest.mark.parametrize("payload", [b"\x12\x02\xff\xfe", b"\x1a\x02\xff\xfe", b"\x1a\x10abc"])
def test_what_decides_is_read_before(server, wire, payload):
    """Though the calls are not served."""
    for caller in (wire, server.wire("u1")):
        for rpc in ("Query", "Search", "Insert"):
            with rpc_error(grpc.StatusCode.INVALID_ARGUMENT):
                caller.raw(path(rpc), payload)


TRUNCATED = [
    b"\x12\x10abc",  # a text of 16 bytes with 3
    b"\x12",  # a field without a value
    b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",  # a length that does not end
    b"\x12\xff\xff\xff\xff\x0f",  # a text of 4 GiB
    b"\x0a\x05\x08\x96",  # a message that ends within a number
    b"\x15\x00",  # half a fixed number
    b"\x00",  # field 0
    b"\x17",  # an unknown wire type
    b"\x14",  # the end of a group that did not begin
    b"\x10\x01",  # a number where a text belongs
]


@pytest.mark.parametrize("payload", TRUNCATED, ids=range(len(TRUNCATED)))
def test_damaged_messages(wire, payload):
    for rpc in ("DropRole", "DeleteCredential", "CreatePrivilegeGroup", "DescribeDatabase"):
        with rpc_error(grpc.StatusCode.INVALID_ARGUMENT):
            wire.raw(path(rpc), payload)


def test_deep_messages(wire):
    """Groups, which may be nested without end."""
    for payload in (b"\x0b" * 100_000, b"\xfb\x01" * 50_000):
        for rpc in ("DropRole", "Query"):
            with pytest.raises(grpc.RpcError) as caught:
                wire.raw(path(rpc), payload)
            assert caught.value.code() in FINAL


def test_random_messages(wire):
    """Whatever comes of them, no client would try again."""
    numbers = random.Random(20_240_229)
    not_final = {}
    for rpc in (*SERVED, "Query", "Search", "Insert", "Flush"):
        for _ in range(20):
            payload = numbers.randbytes(numbers.randrange(1, 40))
            try:
                wire.raw(path(rpc), payload)
            except grpc.RpcError as error:
                if error.code() not in FINAL:
                    not_final[rpc] = (payload, error.code(), error.details())
    assert not_final == {}


def test_unknown_fields_are_ignored(wire):
    data = wire.raw(path("SelectRole"), b"\xfa\x7f\x03abc\xc8\x3e\x01")
    results = milvus_pb2.SelectRoleResponse.FromString(data).results
    assert [result.role.name for result in results] == ["admin", "public", "r1"]


def test_odd_metadata(server, wire):
    for authorization in [
        "x" * 6000,
        base64_text("a" * 4000 + ":b"),
        base64_text(b"\xff\xfe:\xff"),
        base64_text("\0:\0"),
    ]:
        stranger = Wire(server.address, authorization)
        with rpc_error(grpc.StatusCode.UNAUTHENTICATED):
            stranger.call("GetVersion")
        stranger.close()
    for database in ("a/b", "*", "a" * 4000, "../..", "\x7e" * 10):
        try:
            status = wire.call("Connect", metadata=[("dbname", database)]).status
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        else:
            assert status.code in (800, 802)
            assert len(status.reason) < 4096


def test_binary_metadata(wire):
    wire.ok("GetVersion", metadata=[("dbname-bin", b"\x00\xff"), ("x-odd", "")])


def test_calls_that_are_given_up(server):
    for _ in range(50):
        wire = Wire(server.address, base64_text(login("root")))
        calls = [wire.future(path("ListCredUsers"), b"") for _ in range(4)]
        assert all(call.cancel() or call.done() for call in calls)
        wire.close()


def test_bytes_that_are_not_http2(server):
    host, port = server.address.rsplit(":", 1)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for payload in (b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", preface + b"\xff" * 500):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(payload)
