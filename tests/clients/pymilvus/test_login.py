"""Who may log in, with what, and until when."""

import statistics
import time

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException

from harness import (
    PASSWORD,
    ROOT_PASSWORD,
    SERVICE,
    WRONG_LOGIN,
    add_user,
    base64_text,
    grants,
    not_logged_in,
    path,
    refused,
)

NO_CREDENTIALS = "missing authorization in header"
NOT_BASE64 = "invalid token format"
WRONG_KEY = "auth check failure, please check api key is correct"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED.value[0]


def logs_in(server, user, password=PASSWORD):
    """Whether a fresh connection may make a call that needs no privilege."""
    try:
        server.wire(user, password).ok("GetVersion")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
        assert error.details() == WRONG_LOGIN
        return False
    return True


BAD_CREDENTIALS = {
    "none": ("", NO_CREDENTIALS),
    "wrong password": (base64_text("root:wrong password"), WRONG_LOGIN),
    "password in other case": (base64_text("root:milvus"), WRONG_LOGIN),
    "empty password": (base64_text("root:"), WRONG_LOGIN),
    "unknown user": (base64_text("nobody:Milvus"), WRONG_LOGIN),
    "empty user": (base64_text(":Milvus"), WRONG_LOGIN),
    "blank before the user": (base64_text(" root:Milvus"), WRONG_LOGIN),
    "more than the password": (base64_text("root:Milvus:"), WRONG_LOGIN),
    "not UTF-8": (base64_text(b"root:\xff\xfe"), WRONG_LOGIN),
    "a password of 4 KiB": (base64_text("root:" + "x" * 4096), WRONG_LOGIN),
    "api key": (base64_text("some_api_key"), WRONG_KEY),
    "no base64": ("root:Milvus", NOT_BASE64),
    "no padding": (base64_text("root:Milvus").rstrip("="), NOT_BASE64),
    "prefix": ("Bearer " + base64_text("root:Milvus"), NOT_BASE64),
}


@pytest.mark.parametrize("case", BAD_CREDENTIALS)
def test_bad_credentials(server, case):
    authorization, text = BAD_CREDENTIALS[case]
    wire = server.wire(authorization=authorization)
    for rpc in ("Connect", "GetVersion", "ListDatabases", "CreateRole", "Search"):
        with not_logged_in(text):
            wire.call(rpc)


def test_a_password_with_colons(server, root):
    root.create_user("u1", "with:two:colons")
    assert logs_in(server, "u1", "with:two:colons")
    assert not logs_in(server, "u1", "with:two")


def test_a_longest_password_and_more(server, root):
    """The hash looks at 72 bytes alone, so that it does not tell the two apart."""
    root.create_user("u1", "x" * 72)
    assert not logs_in(server, "u1", "x" * 72 + "y")
    assert not logs_in(server, "u1", "x" * 71)
    assert logs_in(server, "u1", "x" * 72)
    with refused(1400, "old password not correct for u1: not authenticated"):
        root.update_password("u1", "x" * 72 + "y", "new password")


def test_no_rpc_is_exempt(server):
    """Streams included."""
    wire = server.wire(authorization="")
    open_to_all = []
    for method in SERVICE.methods:
        try:
            wire.stream(path(method.name), [b""])
        except grpc.RpcError as error:
            if (error.code(), error.details()) == (
                grpc.StatusCode.UNAUTHENTICATED,
                NO_CREDENTIALS,
            ):
                continue
        open_to_all.append(method.name)
    assert open_to_all == []


def test_a_member_of_the_cluster_is_a_client_like_all(server):
    """This header once opened Milvus (CVE-2025-64513)."""
    member = (("sourceid", base64_text("@@milvus-member@@")),)
    with not_logged_in(NO_CREDENTIALS):
        server.wire(authorization="").call("ListCredUsers", metadata=member)
    with not_logged_in():
        server.wire("root", "wrong password").call("ListCredUsers", metadata=member)


def test_only_the_first_authorization_counts(server):
    second = (("authorization", base64_text(f"root:{ROOT_PASSWORD}")),)
    with not_logged_in():
        server.wire("root", "wrong password").call("GetVersion", metadata=second)


@pytest.mark.parametrize("token", ["root:wrong password", "nobody:password", "api_key", ""])
def test_pymilvus_gives_up_quickly(server, token):
    started = time.monotonic()
    with pytest.raises(MilvusException) as caught:
        MilvusClient(f"http://{server.address}", token=token, dedicated=True)
    assert time.monotonic() - started < 5
    # It would repeat calls that fail in another way, for minutes.
    assert server.calls() == {("Connect", UNAUTHENTICATED): 1}
    assert caught.value.code == 2
    assert caught.value.message.startswith(f"Fail connecting to server on {server.address}")
    # pymilvus hides the server's words; they are in what it hides.
    cause = caught.value.__cause__
    assert cause.code() == grpc.StatusCode.UNAUTHENTICATED
    expected = {"api_key": WRONG_KEY, "": NO_CREDENTIALS}.get(token, WRONG_LOGIN)
    assert cause.details() == expected


@pytest.mark.parametrize("kind", ["client", "async_client"])
def test_a_connected_client_gives_up_quickly(server, root, kind):
    root.create_user("u1", PASSWORD)
    client = getattr(server, kind)("u1")
    client.describe_user("u1")
    root.drop_user("u1")
    started = time.monotonic()
    with not_logged_in():
        client.describe_user("u1")
    assert time.monotonic() - started < 5
    refused = {call: count for call, count in server.calls().items() if call[1] == UNAUTHENTICATED}
    assert refused == {("SelectUser", UNAUTHENTICATED): 1}


def test_time_does_not_tell_whether_a_user_exists(start):
    """With the true cost of hashing. An answer without hashing takes a hundredth of one with it."""
    server = start(bcrypt_cost=None)
    wires = {user: server.wire(user, "wrong password") for user in ("root", "nobody")}
    seconds = {user: [] for user in wires}
    for _ in range(7):
        for user, wire in wires.items():
            started = time.perf_counter()
            with not_logged_in():
                wire.call("GetVersion")
            seconds[user].append(time.perf_counter() - started)
    assert 0.4 < statistics.median(seconds["nobody"]) / statistics.median(seconds["root"]) < 2.5


class TestPasswordChange:
    def test_ends_the_old_password_at_once(self, server, root):
        root.create_user("u1", PASSWORD)
        client, wire = server.client("u1"), server.wire("u1")
        assert client.describe_user("u1") != {}
        wire.ok("GetVersion")
        root.update_password("u1", PASSWORD, "new password")
        with not_logged_in():
            wire.call("GetVersion")
        with not_logged_in():
            client.describe_user("u1")
        assert logs_in(server, "u1", "new password")
        assert not logs_in(server, "u1", PASSWORD)

    def test_back_and_forth(self, server, root):
        """What was learnt about one password must not outlive it."""
        root.create_user("u1", PASSWORD)
        old, new = PASSWORD, "new password"
        for _ in range(20):
            assert logs_in(server, "u1", old)
            assert not logs_in(server, "u1", new)
            root.update_password("u1", old, new)
            old, new = new, old

    def test_of_oneself(self, server, root):
        root.create_user("u1", PASSWORD)
        client = server.client("u1")
        client.update_password("u1", PASSWORD, "new password", reset_connection=True)
        assert client.describe_user("u1") != {}
        client.update_password("u1", "new password", "newer password")
        with not_logged_in():
            client.describe_user("u1")
        assert logs_in(server, "u1", "newer password")

    def test_of_root(self, server, root):
        root.update_password("root", ROOT_PASSWORD, "new password")
        assert not logs_in(server, "root", ROOT_PASSWORD)
        assert logs_in(server, "root", "new password")
        with not_logged_in():
            root.list_users()

    def test_leaves_others_alone(self, server, root):
        root.create_user("u1", PASSWORD)
        root.create_user("u2", PASSWORD)
        client = server.client("u2")
        root.update_password("u1", PASSWORD, "new password")
        assert client.describe_user("u2") != {}


class TestDeletion:
    def test_ends_logins_at_once(self, server, root):
        root.create_user("u1", PASSWORD)
        client, wire = server.client("u1"), server.wire("u1")
        wire.ok("GetVersion")
        root.drop_user("u1")
        with not_logged_in():
            wire.call("GetVersion")
        with not_logged_in():
            client.describe_user("u1")
        assert not logs_in(server, "u1")

    def test_of_oneself(self, server, root):
        add_user(root, "u1", "admin")
        client = server.client("u1")
        client.drop_user("u1")
        with not_logged_in():
            client.list_users()

    def test_a_new_user_of_the_name_is_another(self, server, root):
        add_user(root, "u1", "admin")
        wire = server.wire("u1")
        wire.ok("ListCredUsers")
        root.drop_user("u1")
        root.create_user("u1", "another password")
        with not_logged_in():
            wire.call("GetVersion")
        with pytest.raises(grpc.RpcError) as caught:
            server.wire("u1", "another password").call("ListCredUsers")
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


class TestRootPassword:
    def test_by_default(self, server):
        assert logs_in(server, "root", "Milvus")
        assert "WARN" in server.log()
        assert "root" in server.log()

    @pytest.mark.parametrize("content", ["of the file", "of the file\n"])
    def test_from_a_file(self, start, tmp_path, content):
        file = tmp_path / "password"
        file.write_text(content)
        server = start("--root-password-file", str(file))
        assert logs_in(server, "root", "of the file")
        assert not logs_in(server, "root", "Milvus")
        assert "of the file" not in server.log()

    def test_from_a_file_only_once(self, start, tmp_path):
        store = f"sled:{tmp_path / 'store'}"
        start(store=store).stop()
        file = tmp_path / "password"
        file.write_text("of the file")
        server = start("--root-password-file", str(file), store=store)
        assert logs_in(server, "root", "Milvus")
        assert not logs_in(server, "root", "of the file")


class TestAuthorizationOff:
    TOKENS = ["", "root:Milvus", "root:wrong password", "nobody:password", "api_key"]

    @pytest.fixture(params=TOKENS)
    def client(self, request, start):
        server = start("--authorization", "off")
        return server.client(token=request.param)

    def test_everything_works(self, client):
        client.create_user("u1", PASSWORD, description="d")
        client.create_role("r1")
        client.grant_role("u1", "r1")
        client.create_privilege_group("g1")
        client.add_privileges_to_group("g1", ["Search"])
        client.grant_privilege("r1", "Collection", "Search", "c1")
        client.grant_privilege_v2("r1", "Query", "c1", db_name="default")
        client.grant_privilege_v2("r1", "g1", "c1", db_name="default")
        assert grants(client, "r1") == [
            ("Collection", "default", "c1", "Query"),
            ("Collection", "default", "c1", "Search"),
            ("Global", "default", "c1", "g1"),
        ]
        client.revoke_privilege("r1", "Collection", "Search", "c1")
        client.revoke_privilege_v2("r1", "Query", "c1")
        client.revoke_privilege_v2("r1", "g1", "c1")
        assert grants(client, "r1") == []
        client.update_password("u1", PASSWORD, "new password")
        client.revoke_role("u1", "r1")
        client.drop_role("r1")
        client.drop_user("u1")
        client.create_database("db1")
        assert sorted(client.list_databases()) == ["db1", "default"]
        assert client.describe_database("db1")["name"] == "db1"

    def test_the_rules_stay(self, client):
        with refused(1400, "old password not correct for root: not authenticated"):
            client.update_password("root", "wrong password", "new password")
        with refused(1401, "root user cannot be deleted: privilege not permitted"):
            client.drop_user("root")

    @pytest.mark.parametrize("authorization", ["", "no base64 at all", base64_text("u1:x")])
    def test_any_header_will_do(self, start, authorization):
        wire = start("--authorization", "off").wire(authorization=authorization)
        wire.ok("Connect")
        wire.ok("ListCredUsers")
        wire.ok("CreateRole", entity={"name": "r1"})

    def test_is_told_at_the_start(self, start):
        server = start("--authorization", "off")
        warnings = [line for line in server.log().splitlines() if "WARN" in line]
        assert any("authorization" in line for line in warnings), server.log()

    def test_what_was_made_counts_when_it_is_on_again(self, start, tmp_path):
        store = f"sled:{tmp_path / 'store'}"
        server = start("--authorization", "off", store=store)
        add_user(server.client(token=""), "u1", "admin")
        server.stop()
        server = start(store=store)
        assert list(server.client("u1").list_users()) == ["root", "u1"]
        with not_logged_in(NO_CREDENTIALS):
            server.wire(authorization="").call("ListCredUsers")
