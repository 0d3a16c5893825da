"""Starts the server with exactly what a rendered pod tells it, on this machine instead of in a pod."""

import base64
import json
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from render import environment, pods, server

PATIENCE = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


class Pod:
    """The server of a rendering. Volumes are folders; ports are others, on the loopback."""

    def __init__(self, binary, docs, folder, files):
        ((_, pod),) = pods(docs)
        self.container, self.folder = server(pod["spec"]), pathlib.Path(folder)
        self.data, self.admin = free_port(), free_port()
        told = environment(self.container)
        self.moved = {
            "0.0.0.0:19530": f"127.0.0.1:{self.data}",
            "0.0.0.0:9091": f"127.0.0.1:{self.admin}",
        }
        # Nobody listens where a Milvus or an etcd would be.
        for elsewhere in re.findall(r"//([^/]+)", f"{told['MILVUS_RBAC_STORE']} {told.get('MILVUS_RBAC_UPSTREAM')}"):
            self.moved[elsewhere] = ",".join(f"127.0.0.1:{free_port()}" for _ in elsewhere.split(","))
        for mount in self.container["volumeMounts"]:
            self.moved[mount["mountPath"]] = f"{self.folder}{mount['mountPath']}"
        self.fill(docs, pod["spec"], files)
        told = self.move(told)
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            [binary, *self.container.get("args", [])],
            env=told, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )  # fmt: skip

    def move(self, texts):
        for old, new in self.moved.items():
            texts = {name: text.replace(old, new) for name, text in texts.items()}
        return texts

    def fill(self, docs, spec, files):
        """Puts into each volume what Kubernetes would: rendered objects, and `files` for the others."""
        objects = {(d["kind"], d["metadata"]["name"]): d for d in docs}
        volumes = {v["name"]: v for v in spec.get("volumes", [])}
        for mount in self.container["volumeMounts"]:
            target = pathlib.Path(f"{self.folder}{mount['mountPath']}")
            target.mkdir(parents=True)
            volume = volumes.get(mount["name"], {})
            content = {}
            if "secret" in volume:
                secret = objects.get(("Secret", volume["secret"]["secretName"]), {"data": {}})
                content = {k: base64.b64decode(v).decode() for k, v in secret["data"].items()}
                content = content or files[volume["secret"]["secretName"]]
                if "items" in volume["secret"]:
                    content = {i["path"]: content[i["key"]] for i in volume["secret"]["items"]}
            elif "configMap" in volume:
                content = objects["ConfigMap", volume["configMap"]["name"]]["data"]
            for name, text in self.move(content).items():
                (target / name).write_text(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def said(self):
        return (self.folder / "log").read_text()

    def probe(self, name):
        """Asks what a kubelet asks: whether the container is live, or ready."""
        asked = self.container[f"{name}Probe"]
        assert asked["grpc"]["port"] == 9091
        with grpc.insecure_channel(f"127.0.0.1:{self.admin}") as channel:
            request = health_pb2.HealthCheckRequest(service=asked["grpc"].get("service", ""))
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=asked["timeoutSeconds"])
            except grpc.RpcError as error:
                assert self.process.poll() is None, f"it ended: {self.said()}"
                return error.code().name
            return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def roles(self, password):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.data}/v2/vectordb/roles/list",
            data=b"{}", headers={"Authorization": f"Bearer root:{password}"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            assert refusal.code == 401, refusal
            return json.load(refusal)

    def password(self):
        return (self.folder / "etc/milvus-rbac/root/password").read_text()

    def stop(self):
        """SIGTERM; how it ended, and after how many seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), time.monotonic() - began


def serves(binary, text, folder, files, role=None):
    docs = [d for d in yaml.safe_load_all(text) if d]
    with Pod(binary, docs, folder, files) as pod:
        until("live", lambda: pod.probe("liveness") == "SERVING")
        until("ready", lambda: pod.probe("readiness") == "SERVING")
        roles = pod.roles(pod.password())
        assert roles["code"] == 0 and {"admin", "public"} <= set(roles["data"]), roles
        assert role is None or role in roles["data"], f"no {role} in {roles}"
        assert pod.roles("Milvus")["code"] != 0, "the password that everybody knows is root's"
        code, seconds = pod.stop()
        wait = int(environment(pod.container)["MILVUS_RBAC_DRAIN_WAIT"])
        assert code == 0, f"it ended with {code}: {pod.said()}"
        assert wait <= seconds < wait + 10, f"it took {seconds:.1f} s to stop, with a wait of {wait} s"


def ends_without_its_etcd(binary, text, folder, files):
    """Exit code 1, not 2: what it was told is right, and the etcd is not there."""
    docs = [d for d in yaml.safe_load_all(text) if d]
    with Pod(binary, docs, folder, files) as pod:
        code = pod.process.wait(PATIENCE)
        assert code == 1 and "the store is unavailable" in pod.said(), f"{code}: {pod.said()}"


def waits_for_its_milvus(binary, text, folder, files):
    docs = [d for d in yaml.safe_load_all(text) if d]
    with Pod(binary, docs, folder, files) as pod:
        until("live", lambda: pod.probe("liveness") == "SERVING")
        until("asked", lambda: pod.probe("readiness") == "NOT_SERVING")
        # Logins and grants are served all the same.
        assert pod.roles(pod.password())["code"] == 0
        assert pod.probe("readiness") == "NOT_SERVING", "ready without a Milvus"
        assert pod.probe("liveness") == "SERVING", "not live without a Milvus"
        code, _ = pod.stop()
        assert code == 0, f"it ended with {code}: {pod.said()}"
