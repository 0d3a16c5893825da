"""What goes on to the upstream beside the message, and what does not."""

import subprocess
import threading
import time

import grpc
import pytest

import data
import harness

DENIED = grpc.StatusCode.PERMISSION_DENIED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def only(recorder, rpc):
    (call,) = recorder.reached(rpc)
    return call


def has_collection(wire, **options):
    return wire.call("HasCollection", collection_name="c1", **options)


def test_credentials_stay_here(wire, recorder):
    has_collection(wire)
    assert only(recorder, "HasCollection").values("authorization") == []
    assert all(call.values("authorization") == [] for call in recorder.calls)


def test_credentials_are_passed_through(start, recorder):
    wire = start(recorder, "--upstream-auth", "passthrough").wire()
    has_collection(wire)
    assert only(recorder, "HasCollection").values("authorization") == [harness.base64_text("root:Milvus")]


def test_credentials_of_the_upstream(start, recorder, tmp_path):
    file = tmp_path / "upstream"
    file.write_text("upstream:a secret\n")
    file.chmod(0o600)
    wire = start(recorder, "--upstream-auth", f"file:{file}").wire()
    has_collection(wire)
    assert only(recorder, "HasCollection").values("authorization") == [harness.base64_text("upstream:a secret")]


def test_metadata(wire, recorder):
    metadata = (
        ("x-request-id", "one"),
        ("x-request-id", "two"),
        ("x-binary-bin", b"\x00\xff"),
        ("identifier", "7"),
        ("sourceid", harness.base64_text("@@milvus-member@@")),
        ("dbname", "default"),
    )
    has_collection(wire, metadata=metadata)
    call = only(recorder, "HasCollection")
    assert call.values("x-request-id") == ["one", "two"]
    assert call.values("x-binary-bin") == [b"\x00\xff"]
    assert call.values("identifier") == ["7"]
    assert call.values("sourceid") == []
    assert call.values("dbname") == ["default"]


def test_calls_answered_here_do_not_go_on(root, u1, recorder):
    root.grant_privilege_v2("r1", "Search", "c1")
    root.describe_role("r1")
    root.list_users()
    root.list_privilege_groups()
    root.create_privilege_group("g1")
    root.add_privileges_to_group("g1", ["Search"])
    root.update_password("u1", harness.PASSWORD, "another password")
    root.revoke_privilege_v2("r1", "Search", "c1")
    root.drop_role("r1", force_drop=True)
    root.drop_user("u1")
    # Beside what a client and the server themselves ask.
    assert set(recorder.rpcs()) <= {"Connect", "Check", "DescribeAlias"}


def test_databases_are_those_of_the_upstream(root, recorder, lite):
    root.create_database("db1")
    wire = lite.wire()
    assert list(wire.ok("ListDatabases").db_names) == ["db1", "default"]
    wire.ok("CreateDatabase", db_name="db2")
    wire.close()
    assert sorted(root.list_databases()) == ["db1", "db2", "default"]
    root.drop_database("db2")
    assert sorted(root.list_databases()) == ["db1", "default"]


def test_the_deadline_goes_on(wire, recorder):
    has_collection(wire, timeout=7)
    left = only(recorder, "HasCollection").seconds_left
    assert 3 < left <= 7


def test_the_deadline_ends_the_call(wire, recorder):
    recorder.hanging.add("HasCollection")
    started = time.monotonic()
    with harness.rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED):
        has_collection(wire, timeout=1)
    assert time.monotonic() - started < 3
    assert recorder.given_up.wait(5)


def test_a_call_that_is_given_up_is_given_up_there(wire, recorder):
    recorder.hanging.add("HasCollection")
    future = wire.future(harness.path("HasCollection"), b"")
    end = time.monotonic() + 10
    while not recorder.reached("HasCollection"):
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not recorder.given_up.is_set()
    future.cancel()
    assert recorder.given_up.wait(5)


def test_many_calls_at_a_time(wire, recorder):
    futures = [wire.future(harness.path("HasCollection"), b"\x1a\x02c1") for _ in range(200)]
    assert len({future.result() for future in futures}) == 1
    assert len(recorder.reached("HasCollection")) == 200


def test_a_slow_call_holds_up_no_other(wire, recorder):
    recorder.hanging.add("DescribeDatabase")
    slow = wire.future(harness.path("DescribeDatabase"), b"")
    for _ in range(20):
        has_collection(wire, timeout=5)
    slow.cancel()
    assert recorder.given_up.wait(5)


def test_a_large_message(wire, recorder, root):
    """20 MiB each way: more than gRPC's usual 4 MiB."""
    root.create_collection("c1", dimension=data.DIM)
    expression = " " * (20 << 20) + "id >= 0"
    wire.ok("Query", **data.query("c1", expression))
    assert len(only(recorder, "Query").request) > 20 << 20


def test_an_upstream_that_goes_and_comes(server, root, wire, u1, recorder):
    has_collection(wire)
    recorder.close()
    started = time.monotonic()
    with harness.rpc_error(UNAVAILABLE):
        has_collection(wire)
    assert time.monotonic() - started < 5
    # All that is decided here goes on.
    with harness.denied("DropCollection", database="default"):
        u1.call("DropCollection", collection_name="c1")
    root.grant_privilege_v2("r1", "DropCollection", "*")
    assert root.list_roles() == ["admin", "public", "r1"]
    with harness.rpc_error(UNAVAILABLE):
        u1.call("DropCollection", collection_name="c1")
    recorder.open()
    end = time.monotonic() + 20
    while True:
        try:
            has_collection(wire)
            break
        except grpc.RpcError as error:
            assert error.code() == UNAVAILABLE
            assert time.monotonic() < end, "the upstream is back, and not found again"
            time.sleep(0.1)
    u1.ok("DropCollection", collection_name="c1")


def test_a_start_before_the_upstream(start, recorder):
    recorder.close()
    server = start(recorder)
    wire = server.wire()
    with harness.rpc_error(UNAVAILABLE):
        has_collection(wire)
    assert list(wire.ok("ListCredUsers").usernames) == ["root"]
    recorder.open()
    end = time.monotonic() + 20
    while True:
        try:
            has_collection(wire)
            return
        except grpc.RpcError as error:
            assert error.code() == UNAVAILABLE
            assert time.monotonic() < end
            time.sleep(0.1)


def test_an_end_lets_running_calls_finish(server, wire, recorder):
    """Those that have gone on, too."""
    recorder.hanging.add("HasCollection")
    future = wire.future(harness.path("HasCollection"), b"\x1a\x02c1")
    while not recorder.reached("HasCollection"):
        time.sleep(0.01)
    # Goes on after a while.
    timer = threading.Timer(1, recorder.let_go.set)
    timer.start()
    server.process.terminate()
    assert future.result(timeout=10) is not None
    timer.join()
    wire.close()
    assert server.process.wait(10) == 0


def test_audit_only(start, recorder):
    """All is decided, nothing is refused, and it says so loudly."""
    server = start(recorder, "--audit-only")
    root = server.client()
    data.fill(root, "c1")
    harness.add_user(root, "u1")
    u1 = server.wire("u1")
    recorder.calls.clear()
    u1.ok("Query", **data.query("c1"))
    assert len(recorder.reached("Query")) == 1
    assert "audit" in server.log()
    # Even a wrong login goes on, but not to what is guarded here.
    stranger = server.wire("u1", "wrong password")
    stranger.ok("Query", **data.query("c1"))
    with harness.not_logged_in():
        stranger.call("ListCredUsers")
    with harness.denied("SelectOwnership"):
        u1.call("ListCredUsers")
    assert list(u1.ok("ShowCollections").collection_names) == ["c1"]


@pytest.mark.parametrize("value", ["127.0.0.1:19530", "ftp://127.0.0.1:1", "http://", ""])
def test_an_upstream_that_is_no_url(value):
    process = subprocess.run(
        [harness.BINARY, "--listen", "127.0.0.1:0", "--admin-listen", "off", "--store", "memory:", "--upstream", value],
        capture_output=True,
        env=harness.clean_environment(),
        timeout=20,
    )
    assert process.returncode == 2
    assert b"upstream" in process.stderr
