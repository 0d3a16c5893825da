"""The server is restarted three times under load: what its callers see of that, and what is kept."""

import functools
import struct
import time

import pytest
from pymilvus import MilvusException
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from harness import PASSWORD, STOP_SECONDS, add_user, base64_text, denied, grants, groups, login
from http2 import ACK, GOAWAY, PING, Http2
from restarts import Front, Service, through_restarts


@pytest.fixture
def service(start, tmp_path):
    service = Service(start, tmp_path / "store", bcrypt_cost=8)
    root = service.server.client()
    root.create_role("r1")
    root.create_role("r2")
    add_user(root, "u1", "r1")
    add_user(root, "u2", "admin")
    return service


@pytest.fixture
def front(service):
    front = Front(service)
    yield front
    front.close()


def load(connect):
    """Calls of many kinds. They are given their numbers, and fail if an answer is wrong."""
    roles, users, private, members, v2, v1, reader, u1, u2 = (
        connect(user) for user in ["root"] * 7 + ["u1", "u2"]
    )
    created = []

    def create_role(number):
        roles.create_role(f"role_{number}")
        created.append(f"role_{number}")

    def create_user(number):
        users.create_user(f"user_{number}", PASSWORD)

    def create_group(number):
        private.create_privilege_group(f"group_{number}")

    def bind(number):
        """Every second time, unbinds."""
        (members.revoke_role if number % 2 else members.grant_role)("u1", "r2")

    def grant_v2(number):
        v2.grant_privilege_v2("r1", "Search", f"c{number}")
        if number % 2:
            v2.revoke_privilege_v2("r1", "Search", f"c{number}")

    def grant_v1(number):
        v1.grant_privilege("r2", "Collection", "Query", f"c{number}")

    def read(_):
        before = list(created)
        assert set(before) <= set(reader.list_roles())

    def read_oneself(_):
        assert "r1" in u1.describe_user("u1")["roles"]

    def try_in_vain(_):
        with denied("CreateOwnership"):
            u1.create_role("not_for_u1")

    def administer(number):
        u2.alter_role("r2", f"{number}")

    return [
        create_role,
        create_user,
        create_group,
        bind,
        grant_v2,
        grant_v1,
        read,
        read_oneself,
        try_in_vain,
        administer,
    ]


def check_what_is_kept(root, done):
    """All that was acknowledged is there, and nothing else."""
    roles, users, private, bindings, v2, v1, *_, alterations = done

    def numbered(prefix, count):
        return {f"{prefix}{number}" for number in range(count)}

    assert set(root.list_roles()) == {"admin", "public", "r1", "r2"} | numbered("role_", roles)
    assert set(root.list_users()) == {"root", "u1", "u2"} | numbered("user_", users)
    assert {name for name in groups(root) if "_" in name} == numbered("group_", private)
    assert set(root.describe_user("u1")["roles"]) == {"r1", *(["r2"] if bindings % 2 else [])}
    assert {g[2] for g in grants(root, "r1")} == {f"c{n}" for n in range(0, v2, 2)}
    assert {g[2] for g in grants(root, "r2")} == numbered("c", v1)
    assert root.describe_role("r2")["description"] == f"{alterations - 1}"


KINDS = pytest.mark.parametrize("kind", ["client", "async_client"])


@KINDS
@pytest.mark.parametrize("sharing", [False, True], ids=["own", "shared"])
def test_nobody_notices(service, front, kind, sharing):
    """No call fails, and none is answered as a second one: answers to calls that were taken arrive."""
    connect = functools.partial(getattr(service.server, kind), address=front.address)
    done = through_restarts(service, load(functools.cache(connect) if sharing else connect))
    check_what_is_kept(service.server.client(), done)


@KINDS
def test_callers_notice_that_nobody_listens(service, kind):
    """And nothing else. pymilvus would repeat the call, but connects anew first, and gives up at once
    if it cannot; nothing that the server does while it is away can help. Who then repeats the call must
    not find it done."""
    refusals = []

    def patient(call):
        def repeat(number):
            while True:
                try:
                    return call(number)
                except MilvusException as error:
                    if not error.message.startswith("Fail connecting to server on "):
                        raise
                    refusals.append(error.code)
                time.sleep(0.02)

        return repeat

    calls = load(getattr(service.server, kind))
    done = through_restarts(service, [patient(call) for call in calls])
    check_what_is_kept(service.server.client(), done)
    assert set(refusals) == {2}


@pytest.mark.parametrize("piece", [1, 5, 1 << 16])
def test_late_calls_cost_no_answer(start, piece):
    """A client may start calls until it has read which is the last that is served. They are not served,
    and the others are answered."""
    # Creating a user takes long enough to be told to stop meanwhile.
    server = start(bcrypt_cost=12)
    root = base64_text(login("root"))
    user = milvus_pb2.CreateCredentialRequest(username="u1", password=base64_text(PASSWORD))
    with Http2(server.address, piece) as connection:
        connection.call("GetVersion", root)
        running = connection.ask("CreateCredential", root, user.SerializeToString(), window=5)
        time.sleep(0.1)
        server.process.terminate()
        _, _, goodbye = connection.receive(GOAWAY)
        assert goodbye == struct.pack(">II", (1 << 31) - 1, 0)
        _, _, payload = connection.receive(PING)
        connection.send(PING, ACK, payload=payload)
        for _ in range(2):
            connection.ask("CreateRole", root, b"", window=5)
        _, _, goodbye = connection.receive(GOAWAY)
        assert goodbye == struct.pack(">II", running, 0)
        stream, answer = connection.answer()
        assert (stream, common_pb2.Status.FromString(answer).code) == (running, 0)
        with pytest.raises(EOFError):
            connection.receive()
    assert server.process.wait(STOP_SECONDS) == 0
