"""Each method that Milvus Lite has: allowed with its privilege, refused without, and passed on as it is."""

import grpc
import pytest
from google.protobuf import message_factory

import data
import harness
from facts import CLUSTER_LEVEL
from methods import METHODS, OPEN

# The database that a refusal names.
DATABASES = {"GetCompactionState": "*"}


@pytest.fixture
def collection(root, lite, recorder):
    data.fill(root, "c1")
    recorder.calls.clear()


def prepare(lite, method):
    wire = lite.wire()
    for rpc, fields in method.before:
        wire.ok(rpc, **fields)
    wire.close()


def message(rpc):
    fields = METHODS[rpc].fields
    return message_factory.GetMessageClass(harness.SERVICE.methods_by_name[rpc].input_type)(**fields)


def refused(rpc, user="u1"):
    privilege = METHODS[rpc].privilege
    if rpc == "GetCompactionState":
        # It names no collection, so that there is no database to tell.
        return harness.rpc_error(grpc.StatusCode.PERMISSION_DENIED, containing=["PrivilegeCompaction", user])
    return harness.denied(privilege, user, "*" if privilege in CLUSTER_LEVEL else "default")


def check_refused(wire, recorder, rpc):
    count = len(recorder.calls)
    with refused(rpc):
        wire.call(rpc, message(rpc))
    assert rpc not in recorder.rpcs()[count:]


def check_passed_on(wire, recorder, rpc):
    """The very same bytes, both ways, once."""
    count = len(recorder.calls)
    request = message(rpc).SerializeToString()
    answer = wire.raw(harness.path(rpc), request)
    (reached,) = [call for call in recorder.calls[count:] if call.rpc == rpc]
    assert (reached.request, reached.response) == (request, answer)
    output = harness.SERVICE.methods_by_name[rpc].output_type
    status = message_factory.GetMessageClass(output).FromString(answer)
    status = getattr(status, "status", status)
    assert (status.code, status.error_code) == (0, 0), status.reason


@pytest.mark.parametrize("rpc", METHODS)
def test_with_its_privilege_and_without(lite, recorder, root, u1, closed, collection, rpc):
    method = METHODS[rpc]
    prepare(lite, method)
    check_refused(u1, recorder, rpc)
    grants = [("c2", "default"), ("c1", "db2")] if method.on_collection else []
    if method.privilege not in CLUSTER_LEVEL and rpc != "GetCompactionState":
        grants.append(("*", "db2"))
    for name, database in grants:
        root.grant_privilege_v2("r1", method.privilege, name, db_name=database)
        check_refused(u1, recorder, rpc)
        root.revoke_privilege_v2("r1", method.privilege, name, db_name=database)
    name = "c1" if method.on_collection else "*"
    database = "*" if method.privilege in CLUSTER_LEVEL else "default"
    root.grant_privilege_v2("r1", method.privilege, name, db_name=database)
    check_passed_on(u1, recorder, rpc)
    root.revoke_privilege_v2("r1", method.privilege, name, db_name=database)
    check_refused(u1, recorder, rpc)


@pytest.mark.parametrize("rpc", METHODS)
def test_root(lite, recorder, wire, collection, rpc):
    prepare(lite, METHODS[rpc])
    check_passed_on(wire, recorder, rpc)


@pytest.mark.parametrize("rpc", METHODS)
def test_other_privileges_do_not_help(recorder, root, u1, closed, rpc):
    """A user who holds every privilege of the table but the one that counts."""
    needed = METHODS[rpc].privilege
    for privilege in sorted({method.privilege for method in METHODS.values()} - {needed}):
        # A grant of Load gives GetLoadState as well, one of Flush GetFlushState, as in Milvus.
        if (privilege, needed) not in {("Load", "GetLoadState"), ("Flush", "GetFlushState")}:
            root.grant_privilege_v2("r1", privilege, "*", db_name="*")
    check_refused(u1, recorder, rpc)


@pytest.mark.parametrize("rpc", OPEN)
def test_open_to_all_users(u1, closed, rpc):
    u1.ok(rpc)


@pytest.mark.parametrize("rpc", [*METHODS, *OPEN])
def test_nobody_without_a_login(server, recorder, rpc):
    for authorization, details in [
        ("", "missing authorization in header"),
        (harness.base64_text("root:wrong password"), harness.WRONG_LOGIN),
    ]:
        with harness.not_logged_in(details):
            server.wire(authorization=authorization).call(rpc)
    assert rpc not in recorder.rpcs()


def test_upstream_errors_are_passed_on(wire, recorder):
    """One in the body, and one of gRPC."""
    status = wire.call("Query", collection_name="nothing").status
    assert (status.code, status.reason) == (100, "collection 'nothing' does not exist")
    with harness.rpc_error(grpc.StatusCode.UNIMPLEMENTED, containing=["MilvusLite does not support LoadPartitions"]):
        wire.call("LoadPartitions", collection_name="c1")


def test_upstream_metadata_is_passed_on(wire, recorder):
    metadata = wire.call("HasCollection", collection_name="c1").metadata
    assert metadata["upstream-initial"] == "one"
    assert metadata["upstream-trailing"] == "two"
