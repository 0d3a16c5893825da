"""The upstreams: Milvus Lite, and one that writes down what reaches it."""

import contextlib
import dataclasses
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures

import grpc

import harness

START_SECONDS = 40
STOP_SECONDS = 10
UNLIMITED = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


@contextlib.contextmanager
def reserved_port():
    """A port that nobody else is given. A server that shares ports, as those of gRPC do, may listen on it."""
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind(("127.0.0.1", 0))
        yield reservation.getsockname()[1]


class Lite:
    """A running Milvus Lite."""

    def __init__(self, folder):
        self._reservation = contextlib.ExitStack()
        port = self._reservation.enter_context(reserved_port())
        self.address = f"127.0.0.1:{port}"
        self._log = tempfile.TemporaryFile()
        command = [pathlib.Path(sys.executable).parent / "milvus-lite", "server", "--data-dir", folder]
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=harness.clean_environment(),
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self):
        end = time.monotonic() + START_SECONDS
        with contextlib.closing(self.wire()) as wire:
            while True:
                try:
                    wire.ok("GetVersion", timeout=1)
                    return
                except grpc.RpcError:
                    assert self._process.poll() is None, f"Milvus Lite ended\n{self.log()}"
                    assert time.monotonic() < end, f"Milvus Lite did not start\n{self.log()}"
                    time.sleep(0.05)

    def log(self):
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def stop(self):
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._reservation.close()

    def wire(self):
        """Calls without pymilvus, and without the server before it."""
        return harness.Wire(self.address, "")

    def clear(self):
        """Drops all that a test has left behind."""
        with contextlib.closing(self.wire()) as wire:
            for database in wire.ok("ListDatabases").db_names:
                for collection in wire.ok("ShowCollections", db_name=database).collection_names:
                    wire.ok("DropCollection", db_name=database, collection_name=collection)
                if database != "default":
                    wire.ok("DropDatabase", db_name=database)


@dataclasses.dataclass
class Reached:
    """A call that reached the upstream."""

    rpc: str
    request: bytes
    metadata: list
    seconds_left: float | None
    response: bytes | None = None

    def values(self, key):
        return [value for name, value in self.metadata if name == key]


class Recorder(grpc.GenericRpcHandler):
    """An upstream that writes down what reaches it and asks the real one. It adds metadata of its own."""

    INITIAL = ("upstream-initial", "one")
    TRAILING = ("upstream-trailing", "two")

    def __init__(self, target, compression=None):
        self.calls = []
        self._compression = compression
        # A call of one of these names is kept waiting until it is given up or all are let go.
        self.hanging = set()
        self.given_up = threading.Event()
        self.let_go = threading.Event()
        # One of these is answered with a failure.
        self.refusing = set()
        self._target = grpc.insecure_channel(target, options=[*UNLIMITED, ("grpc.use_local_subchannel_pool", 1)])
        self._reservation = contextlib.ExitStack()
        self._port = self._reservation.enter_context(reserved_port())
        self.address = f"127.0.0.1:{self._port}"
        self._server = None
        self.open()

    def open(self):
        # A few threads: a call waits for nothing but the real upstream.
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8), handlers=[self], options=UNLIMITED, compression=self._compression
        )
        assert self._server.add_insecure_port(self.address) == self._port
        self._server.start()

    def close(self):
        """From now on nobody listens."""
        self._server.stop(0).wait()

    def end(self):
        self.let_go.set()
        self.close()
        self._target.close()
        self._reservation.close()

    def service(self, details):
        rpc = details.method.rpartition("/")[2]
        method = harness.SERVICE.methods_by_name.get(rpc)
        if method is not None and (method.client_streaming or method.server_streaming):
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: self._stream(details.method, rpc, requests, context)
            )
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._unary(details.method, rpc, request, context)
        )

    def _record(self, rpc, request, context):
        metadata = [(key, value) for key, value in context.invocation_metadata()]
        self.calls.append(Reached(rpc, request, metadata, context.time_remaining()))
        if rpc in self.refusing:
            # Before any metadata, so that the answer is nothing but its status.
            context.abort(grpc.StatusCode.INTERNAL, "refused by the test")
        context.send_initial_metadata((self.INITIAL,))
        context.set_trailing_metadata((self.TRAILING,))
        return self.calls[-1]

    def _unary(self, path, rpc, request, context):
        reached = self._record(rpc, request, context)
        if rpc in self.hanging:
            self._hang(context)
        database = [("dbname", value) for value in reached.values("dbname")]
        try:
            reached.response = self._target.unary_unary(path)(request, metadata=database, timeout=30)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())
        return reached.response

    def _hang(self, context):
        context.add_callback(self.given_up.set)
        end = time.monotonic() + 30
        while context.is_active() and not self.let_go.wait(0.02):
            assert time.monotonic() < end

    def _stream(self, path, rpc, requests, context):
        self._record(rpc, b"", context)
        try:
            yield from self._target.stream_stream(path)(requests, timeout=10)
        except grpc.RpcError as error:
            context.abort(error.code(), error.details())

    def reached(self, rpc):
        """The calls of this name."""
        return [call for call in self.calls if call.rpc == rpc]

    def rpcs(self):
        return [call.rpc for call in self.calls]
