"""A running Milvus 2.3.5, all of it in one process."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import grpc

import harness
import namespace

START_SECONDS = 80
STOP_SECONDS = 10
# Its programs, unpacked, are 500 MB: they stay between the runs.
FOLDER = pathlib.Path(__file__).parent / ".venv" / "milvus"


class Milvus:
    # The ports are the same each time: nobody else is in the namespace.
    address = "127.0.0.1:19530"

    def __init__(self):
        assert namespace.isolated(), "Milvus listens on all interfaces: start it with run, in a namespace"
        FOLDER.mkdir(exist_ok=True)
        self._lock = open(FOLDER / "lock", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for name in ("configs", "data", "logs", "run"):
            shutil.rmtree(FOLDER / name, ignore_errors=True)
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [pathlib.Path(sys.executable).parent / "milvus-server", "--data", FOLDER],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=harness.clean_environment(),
            # A group of its own: it starts another process.
            start_new_session=True,
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
                    if wire.ok("CheckHealth", timeout=2).isHealthy:
                        return
                except (grpc.RpcError, AssertionError):
                    pass
                assert self._process.poll() is None, f"Milvus ended\n{self.log()}"
                assert time.monotonic() < end, f"Milvus did not start\n{self.log()}"
                time.sleep(0.1)

    def log(self):
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def stop(self):
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
        self._lock.close()

    def wire(self):
        """Calls without pymilvus, and without the server before it."""
        return harness.Wire(self.address, "")

    def clear(self):
        """Drops all that a test has left behind."""
        with contextlib.closing(self.wire()) as wire:
            for database in wire.ok("ListDatabases").db_names:
                for collection in wire.ok("ShowCollections", db_name=database).collection_names:
                    for alias in wire.ok("ListAliases", db_name=database, collection_name=collection).aliases:
                        wire.ok("DropAlias", db_name=database, alias=alias)
                    wire.ok("DropCollection", db_name=database, collection_name=collection)
                if database != "default":
                    wire.ok("DropDatabase", db_name=database)
