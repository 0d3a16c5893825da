"""The connection: health, the first calls of clients, pings, unknown methods, many calls at once."""

import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from harness import SERVICE, base64_text, login, path, rpc_error
from http2 import Http2
from messages import operate_v2


class TestHealth:
    @pytest.fixture
    def health(self, server):
        return health_pb2_grpc.HealthStub(server.wire(authorization="").channel)

    @pytest.mark.parametrize("service", ["", SERVICE.full_name])
    def test_needs_no_credentials(self, health, service):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_does_not_mind_wrong_ones(self, health):
        wrong = (("authorization", base64_text("root:wrong password")),)
        answer = health.Check(health_pb2.HealthCheckRequest(), metadata=wrong, timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_of_an_unknown_service(self, health):
        with rpc_error(grpc.StatusCode.NOT_FOUND):
            health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=5)

    def test_may_be_watched(self, health):
        stream = health.Watch(health_pb2.HealthCheckRequest(), timeout=5)
        assert next(stream).status == health_pb2.HealthCheckResponse.SERVING
        stream.cancel()


class TestConnection:
    def test_connect(self, wire):
        answer = wire.ok("Connect")
        assert answer.identifier > 0
        assert answer.server_info.build_tags != ""
        assert answer.server_info.build_tags == wire.ok("GetVersion").version

    def test_check_health(self, wire):
        answer = wire.ok("CheckHealth")
        assert answer.isHealthy
        assert list(answer.reasons) == []

    def test_timestamps_rise(self, wire):
        stamps = [wire.ok("AllocTimestamp").timestamp for _ in range(50)]
        assert stamps == sorted(set(stamps))
        # Milliseconds since 1970, shifted by 18 bits.
        assert abs((stamps[0] >> 18) / 1000 - time.time()) < 60

    @pytest.mark.parametrize(
        "metadata",
        [
            (),
            (("identifier", ""), ("dbname", ""), ("client-request-id", "")),
            (("identifier", "not a number"), ("client-request-unixmsec", "0")),
            (("identifier", "9" * 30), ("client_request_id", "x")),
            (("identifier", "-1"), ("client-request-unixmsec", "now")),
            # Of a connection to another server, and of a database that is no longer there.
            (("identifier", "450000000000000001"), ("dbname", "gone")),
            (("identifier", "1"), ("identifier", "2"), ("client-request-id", "1" * 1000)),
        ],
        ids=lambda metadata: ",".join(name for name, _ in metadata) or "none",
    )
    def test_metadata_may_be_anything(self, wire, metadata):
        assert wire.ok("CreateRole", entity={"name": "r1"}, metadata=metadata) is not None
        results = wire.ok("SelectRole", metadata=metadata).results
        assert [result.role.name for result in results] == ["admin", "public", "r1"]
        wire.ok("GetVersion", metadata=metadata)

    def test_pings_without_calls_are_tolerated(self, server):
        """Clients send one every 5 or 10 s. gRPC's servers bear few of them, and then say goodbye."""
        with Http2(server.address) as connection:
            for number in range(150):
                connection.ping(number)
                time.sleep(0.05)
            for number in range(2000):
                connection.ping(number)
            connection.call("GetVersion", base64_text(login("root")))

    @pytest.mark.parametrize(
        "unknown",
        [
            path("NoSuchMethod"),
            path("searchh"),
            f"/{SERVICE.full_name}/",
            "/milvus.proto.milvus.NoSuchService/Search",
            "/no.such.Service/Method",
            "/Search",
        ],
    )
    def test_unknown_methods(self, server, wire, unknown):
        with rpc_error(grpc.StatusCode.UNIMPLEMENTED):
            wire.raw(unknown, b"")
        wire.ok("GetVersion")


def test_many_calls_at_once(server, wire):
    """Each is answered for itself."""
    wire.ok("CreateRole", entity={"name": "r1"})
    futures = []
    wires = [server.wire() for _ in range(8)]
    for number in range(400):
        request = milvus_pb2.OperatePrivilegeV2Request(**operate_v2(collection_name=f"c{number}"))
        one = wires[number % len(wires)]
        futures.append(one.future(path("OperatePrivilegeV2"), request.SerializeToString()))
    assert {common_pb2.Status.FromString(future.result()).code for future in futures} == {0}
    revisions = {dict(future.initial_metadata())["milvus-rbac-revision"] for future in futures}
    assert len(revisions) == 400
    assert len(wire.ok("SelectGrant", entity={"role": {"name": "r1"}}).entities) == 400
