"""A server that is restarted in its place, and callers who meanwhile go on."""

import contextlib
import random
import socket
import threading
import time

# Much longer than anything takes here.
LIMIT_SECONDS = 30


def free_port():
    """Not one that the system gives to connections: while the server is away, one of those could take
    it, or be connected to itself."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Service:
    """A server on a port and a folder that outlive it."""

    def __init__(self, start, folder, **options):
        self.address = f"127.0.0.1:{free_port()}"
        self._options = {"store": f"sled:{folder}", "listen": self.address, **options}
        self._start = start
        self.server = self._run()

    def _run(self):
        return self._start("--max-roles", "0", "--max-users", "0", **self._options)

    def restart(self):
        self.server.end()
        self.server = self._run()


class Front:
    """Passes connections on to a service. Who comes while the service is away waits for it, as with the
    sockets that an orchestrator or a balancer holds."""

    def __init__(self, service):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        host, port = service.address.split(":")
        self._target = (host, int(port))
        self._open = [self._listener]
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = None
        while server is None and not self._closed:
            try:
                server = socket.create_connection(self._target)
            except ConnectionRefusedError:
                time.sleep(0.01)
        if server is None:
            return
        self._open.append(server)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
        self._pass(server, client)

    @staticmethod
    def _pass(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        # This way alone: what the target has said may still be on its way.
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self._closed = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class Caller:
    """Makes calls, one after the other, until told to stop. `call` is given their numbers."""

    def __init__(self, call):
        self._call = call
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done = 0
        self.error = None
        self._thread.start()

    def _run(self):
        try:
            while not self._stop.is_set():
                self._call(self.done)
                self.done += 1
        except Exception as error:
            self.error = error

    def stop(self):
        self._stop.set()

    def check(self):
        """Fails as the calls did."""
        if self.error is not None:
            raise self.error

    def join(self):
        self._thread.join(LIMIT_SECONDS)
        assert not self._thread.is_alive(), "a call is not answered"
        self.check()


def until_all_go_on(callers, calls):
    """Waits until each of them was answered so many times more."""
    goals = [caller.done + calls for caller in callers]
    until = time.monotonic() + LIMIT_SECONDS
    while any(caller.done < goal for caller, goal in zip(callers, goals, strict=True)):
        for caller in callers:
            caller.check()
        assert time.monotonic() < until, "a call is not answered"
        time.sleep(0.005)


def through_restarts(service, calls, *, restarts=3, between=5):
    """Restarts the service in the middle of calls, that each go on before and after. Returns how many
    of each were answered."""
    callers = [Caller(call) for call in calls]
    try:
        for _ in range(restarts):
            until_all_go_on(callers, between)
            service.restart()
        until_all_go_on(callers, between)
    finally:
        for caller in callers:
            caller.stop()
    for caller in callers:
        caller.join()
    return [caller.done for caller in callers]
