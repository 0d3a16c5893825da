"""The methods that Milvus Lite has not: decided like all others, and its own refusal is told."""

import grpc

from facts import CLUSTER_LEVEL, REFUSED, SERVED
from harness import SERVICE, denial
from methods import METHODS, OPEN
from pymilvus.grpc_gen import common_pb2

STREAMS = {"CreateReplicateStream": "UpdateReplicateConfiguration", "DumpMessages": "ManageOwnership"}


def stated_privilege(method):
    options = method.input_type.GetOptions()
    if not options.HasExtension(common_pb2.privilege_ext_obj):
        return None
    number = options.Extensions[common_pb2.privilege_ext_obj].object_privilege
    return common_pb2.ObjectPrivilege.Name(number).removeprefix("Privilege")


# Without a stated privilege, and what is asked for instead.
UNSTATED = {
    "GetReplicas": "GetLoadState",
    "GetPersistentSegmentInfo": "GetStatistics",
    "GetQuerySegmentInfo": "GetStatistics",
    "ListImportTasks": "ListImport",
    "GetImportState": "Import",
    "GetCompactionStateWithPlans": "Compaction",
    "GetFlushAllState": "FlushAll",
    "DescribePrewarmTask": "Load",
    "GetRestoreSnapshotState": "RestoreSnapshot",
    "GetRefreshExternalCollectionProgress": "RefreshExternalCollection",
    "ListRefreshExternalCollectionJobs": "RefreshExternalCollection",
    "GetMetrics": "ListResourceGroups",
    "ReplicateMessage": "UpdateReplicateConfiguration",
    "GetReplicateInfo": "UpdateReplicateConfiguration",
}
# For root and the role admin alone.
ADMIN_ONLY = ["Dummy", "RegisterLink", "ListIndexedSegment", "DescribeSegmentIndexData"]
# For every user. Some of them may be answered without the upstream.
EVERYBODY = ["AllocTimestamp", "GetComponentStates", "CalcDistance", "ComputePhraseMatchSlop", "RunAnalyzer"]

STATED = {
    method.name: stated_privilege(method)
    for method in SERVICE.methods
    if method.name not in {*METHODS, *OPEN, *SERVED, *REFUSED, *STREAMS}
}
NEEDING = {rpc: privilege for rpc, privilege in STATED.items() if privilege} | UNSTATED


def outcome(wire, rpc):
    """The refusal, or None where Milvus Lite said that it has no such method."""
    try:
        wire.call(rpc, collection_name="c1") if has_name(rpc) else wire.call(rpc)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.PERMISSION_DENIED:
            return error.details()
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, (rpc, error)
        assert "not implemented!" in error.details() or "does not support" in error.details(), (rpc, error)
        return None
    raise AssertionError(f"{rpc} was answered")


def has_name(rpc):
    return "collection_name" in SERVICE.methods_by_name[rpc].input_type.fields_by_name


def test_they_are_known():
    """Another pymilvus may need other tests."""
    assert {rpc for rpc, privilege in STATED.items() if privilege is None} == {*UNSTATED, *ADMIN_ONLY, *EVERYBODY} - {
        *SERVED
    }


def test_refused_without_a_privilege(u1, closed, recorder):
    wrong = {}
    for rpc in [*NEEDING, *ADMIN_ONLY]:
        told = outcome(u1, rpc)
        named = f"Privilege{NEEDING[rpc]}" if rpc in NEEDING else rpc
        if told is None or named not in told or "permission deny to u1" not in told:
            wrong[rpc] = told
    assert wrong == {}
    assert set(recorder.rpcs()) & {*NEEDING, *ADMIN_ONLY} == set()


def test_the_privilege_is_enough(root, u1, closed, recorder):
    wrong = {}
    for rpc, privilege in NEEDING.items():
        root.grant_privilege_v2("r1", privilege, "*", db_name="*")
        told = outcome(u1, rpc)
        root.revoke_privilege_v2("r1", privilege, "*", db_name="*")
        if told is not None or len(recorder.reached(rpc)) != 1:
            wrong[rpc] = (told, len(recorder.reached(rpc)))
    assert wrong == {}


def test_root(wire, recorder):
    for rpc in [*NEEDING, *ADMIN_ONLY]:
        assert outcome(wire, rpc) is None
        assert len(recorder.reached(rpc)) == 1, rpc


def test_an_administrator(root, u1, recorder):
    root.grant_role("u1", "admin")
    for rpc in ADMIN_ONLY:
        assert outcome(u1, rpc) is None


def test_all_privileges_do_not_make_an_administrator(root, u1, recorder):
    root.grant_privilege_v2("r1", "All", "*", db_name="*")
    root.grant_privilege_v2("r1", "ClusterAdmin", "*", db_name="*")
    for rpc in ADMIN_ONLY:
        assert outcome(u1, rpc) is not None, rpc
    assert set(recorder.rpcs()) & set(ADMIN_ONLY) == set()


def stream_outcome(wire, rpc):
    try:
        wire.stream(f"/{SERVICE.full_name}/{rpc}", [b""])
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"{rpc} was answered")


def test_streams(root, wire, u1, recorder):
    for rpc, privilege in STREAMS.items():
        code, details = stream_outcome(u1, rpc)
        assert code == grpc.StatusCode.PERMISSION_DENIED, (rpc, details)
        assert details.startswith(f"Privilege{privilege}: permission deny to u1")
        assert recorder.reached(rpc) == []
        root.grant_privilege_v2("r1", privilege, "*", db_name="*")
        for caller in (wire, u1):
            code, details = stream_outcome(caller, rpc)
            assert (code, "not implemented" in details) == (grpc.StatusCode.UNIMPLEMENTED, True), details
        assert len(recorder.reached(rpc)) == 2
        root.revoke_privilege_v2("r1", privilege, "*", db_name="*")
        assert stream_outcome(u1, rpc)[0] == grpc.StatusCode.PERMISSION_DENIED


def test_only_names_of_the_published_interface(wire, recorder):
    """Nothing goes on under another name, not even for root."""
    for path in (f"/{SERVICE.full_name}/Nothing", "/other.Service/Search", "/search"):
        try:
            wire.raw(path, b"")
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED), path
        else:
            raise AssertionError(f"{path} was answered")
    assert set(recorder.rpcs()) & {"Nothing", "Search", "search"} == set()


def test_milvus_lite_has_what_is_said(lite):
    """The table of methods is that of the upstream: no method is left out of the tests."""
    wire = lite.wire()
    has = set()
    for method in SERVICE.methods:
        if method.name in STREAMS:
            continue
        try:
            wire.call(method.name)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED, method.name
        else:
            has.add(method.name)
    wire.close()
    assert has == {*METHODS, *OPEN}


def test_the_refusal_names_the_database(u1, closed):
    for rpc, privilege in NEEDING.items():
        if rpc in UNSTATED:
            continue
        database = "*" if privilege in CLUSTER_LEVEL else "default"
        assert outcome(u1, rpc) == denial(privilege, database=database), rpc
