"""Starts milvus-rbac servers and calls them, with pymilvus and without."""

import asyncio
import base64
import contextlib
import dataclasses
import inspect
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import urllib.request

import grpc
import pytest
from google.protobuf import message_factory
from pymilvus import AsyncMilvusClient, MilvusClient, MilvusException
from pymilvus.grpc_gen import milvus_pb2

BINARY = os.environ.get("MILVUS_RBAC_BIN", "")

START_SECONDS = 20
STOP_SECONDS = 10

ROOT_PASSWORD = "Milvus"
PASSWORD = "password"

# Other codes make clients try again, for minutes.
FINAL = {
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}

SERVICE = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"]

# In a thread of its own: tests may call from several.
_loop = asyncio.new_event_loop()
threading.Thread(target=_loop.run_forever, daemon=True).start()


class Server:
    """A running server. Its clients are closed before it is stopped."""

    def __init__(self, *arguments, store="memory:", bcrypt_cost=4, listen="127.0.0.1:0"):
        command = [BINARY, "--listen", listen, "--admin-listen", "127.0.0.1:0", "--store", store]
        if bcrypt_cost is not None:
            command += ["--bcrypt-cost", str(bcrypt_cost)]
        # A file without a name: nothing has to be removed.
        self._log = tempfile.TemporaryFile()
        self._clients = []
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=clean_environment(),
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = self._announced("listening on ")
        self._admin = self._announced("admin on ")

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.decode().rstrip("\n"))
        self._lines.put(None)

    def _announced(self, words):
        try:
            line = self._lines.get(timeout=START_SECONDS)
        except queue.Empty:
            self.kill()
            pytest.fail(f"the server did not start within {START_SECONDS} s\n{self.log()}")
        if line is None or not line.startswith(words):
            self.kill()
            pytest.fail(f"the server says {line!r} in place of {words!r}\n{self.log()}")
        return line.removeprefix(words)

    def log(self):
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def calls(self):
        """How many calls of which gRPC code each method has had so far."""
        with urllib.request.urlopen(f"http://{self._admin}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        line = r'^milvus_rbac_requests_total\{method="(\w+)",code="(\d+)"\} (\d+)$'
        return {(method, int(code)): int(count) for method, code, count in re.findall(line, text, re.M)}

    def close_log(self):
        self._log.close()

    @property
    def running(self):
        return self.process.poll() is None

    def close_clients(self):
        while self._clients:
            self._clients.pop().close()

    def kill(self):
        """Ends the server without a warning. What it gave to the system is not lost by that."""
        self.close_clients()
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def stop(self):
        """Closes the clients and ends the server."""
        self.close_clients()
        self.end()

    def end(self):
        """Ends the server as an orchestrator would, and checks that it went well."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"the server did not stop within {STOP_SECONDS} s\n{self.log()}")
        self._reader.join()
        self.process.stdout.close()
        assert self.process.returncode == 0, f"exit code {self.process.returncode}\n{self.log()}"
        assert "panicked" not in self.log(), self.log()

    def client(self, user="root", password=None, token=None, address=None, **options):
        """A MilvusClient with a connection of its own, to another address if one is given."""
        token = login(user, password) if token is None else token
        client = MilvusClient(f"http://{address or self.address}", token=token, dedicated=True, **options)
        self._clients.append(client)
        return client

    def async_client(self, user="root", password=None, address=None, **options):
        """An AsyncMilvusClient that is called like a MilvusClient."""
        token = login(user, password)
        client = AsyncMilvusClient(f"http://{address or self.address}", token=token, dedicated=True, **options)
        client = Blocking(client)
        self._clients.append(client)
        return client

    def wire(self, user="root", password=None, authorization=None):
        """Calls without pymilvus. An `authorization` of "" is none at all."""
        if authorization is None:
            authorization = base64_text(login(user, password))
        wire = Wire(self.address, authorization)
        self._clients.append(wire)
        return wire


class Blocking:
    """Waits for whatever the client's methods return."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*args, **kwargs):
            result = method(*args, **kwargs)
            if inspect.isawaitable(result):
                return asyncio.run_coroutine_threadsafe(result, _loop).result()
            return result

        return call


@dataclasses.dataclass(frozen=True)
class Answer:
    message: object
    metadata: dict

    @property
    def revision(self):
        return int(self.metadata["milvus-rbac-revision"])

    @property
    def status(self):
        """The status of the response, which may be the response itself."""
        return getattr(self.message, "status", self.message)


class Wire:
    """Calls RPCs by name, on one connection, with one authorization."""

    OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))

    def __init__(self, address, authorization):
        # A subchannel pool of its own keeps the connection from being shared with other tests.
        options = (*self.OPTIONS, ("grpc.use_local_subchannel_pool", 1))
        self.channel = grpc.insecure_channel(address, options=options)
        self._authorization = authorization

    def close(self):
        self.channel.close()

    def _metadata(self, extra=()):
        own = (("authorization", self._authorization),) if self._authorization else ()
        return (*own, *extra)

    def call(self, rpc, request=None, *, metadata=(), timeout=30, **fields):
        """The answer to an RPC of MilvusService, its request given as a message or as its fields."""
        method = SERVICE.methods_by_name[rpc]
        if request is None:
            request = message_factory.GetMessageClass(method.input_type)(**fields)
        stub = self.channel.unary_unary(
            path(rpc),
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        message, call = stub.with_call(request, metadata=self._metadata(metadata), timeout=timeout)
        return Answer(message, dict((*call.initial_metadata(), *call.trailing_metadata())))

    def ok(self, rpc, request=None, **fields):
        """The message that answers an RPC which must succeed."""
        answer = self.call(rpc, request, **fields)
        assert (answer.status.code, answer.status.error_code) == (0, 0), answer.status.reason
        return answer.message

    def raw(self, path, payload, *, timeout=30):
        """The bytes that answer some bytes."""
        return self.channel.unary_unary(path)(payload, metadata=self._metadata(), timeout=timeout)

    def future(self, path, payload, *, timeout=30):
        """The same, without waiting for them."""
        return self.channel.unary_unary(path).future(payload, metadata=self._metadata(), timeout=timeout)

    def stream(self, path, payloads, *, timeout=10):
        """Those of all answers to a stream of messages."""
        stream = self.channel.stream_stream(path)
        return list(stream(iter(payloads), metadata=self._metadata(), timeout=timeout))


def path(rpc):
    return f"/{SERVICE.full_name}/{rpc}"


def clean_environment():
    """Ours, without what would configure the server or pymilvus."""
    return {k: v for k, v in os.environ.items() if not k.startswith("MILVUS_")}


def login(user, password=None):
    """A user with the password, by default the one that the tests give."""
    if password is None:
        password = ROOT_PASSWORD if user == "root" else PASSWORD
    return f"{user}:{password}"


def base64_text(text):
    data = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(data).decode()


@contextlib.contextmanager
def refused(code, message=None, *, containing=None, legacy=None):
    """The block ends in a MilvusException of this code, text and legacy code."""
    with pytest.raises(MilvusException) as caught:
        yield caught
    error = caught.value
    if message is not None:
        assert (error.code, error.message) == (code, message)
    if containing is not None:
        assert containing in error.message
    assert error.code == code, error.message
    if legacy is not None:
        assert error.compatible_code == legacy, error.message


@contextlib.contextmanager
def rpc_error(code, details=None, *, containing=()):
    """The block ends in a gRPC error of this code and text."""
    with pytest.raises(grpc.RpcError) as caught:
        yield caught
    error = caught.value
    assert error.code() == code, error.details()
    if details is not None:
        assert error.details() == details
    for part in containing:
        assert part in error.details()


def denial(privilege, user="u1", database="*"):
    """The text of a refusal for lack of a privilege."""
    return f"Privilege{privilege}: permission deny to {user} in the `{database}` database"


def denied(privilege, user="u1", database="*"):
    return rpc_error(grpc.StatusCode.PERMISSION_DENIED, denial(privilege, user, database))


WRONG_LOGIN = "auth check failure, please check username and password are correct"


def not_logged_in(details=WRONG_LOGIN):
    return rpc_error(grpc.StatusCode.UNAUTHENTICATED, details)


def add_user(root, name, *roles):
    """Creates a user who has some roles."""
    root.create_user(name, PASSWORD)
    for role in roles:
        root.grant_role(name, role)


def grants(client, role, db_name=""):
    """What a role holds, as (object type, database, object, privilege), in the order of the answer."""
    return [
        (g["object_type"], g["db_name"], g["object_name"], g["privilege"])
        for g in client.describe_role(role, db_name=db_name)["privileges"]
    ]


def groups(client):
    """The members of all privilege groups, in the order of the answer; the members in byte order."""
    return {g["privilege_group"]: sorted(g["privileges"]) for g in client.list_privilege_groups()}


def everything(client):
    """All that the server keeps, as far as clients see it."""
    return {
        "users": {user: client.describe_user(user) for user in client.list_users()},
        "roles": {role: client.describe_role(role, db_name="*") for role in client.list_roles()},
        "groups": list(groups(client).items()),
        "databases": {name: client.describe_database(name) for name in client.list_databases()},
    }
