"""
What the documents of one rendering must be to one another, and to the server. A check takes a `Rendering`
and yields what it has against it. With each check stands how to break a sidecar's rendering so that it
must speak.
"""

import dataclasses
import re

from render import containers, environment, pods, secret_values, server

# Milvus' own ports, whatever it is told of proxy and metrics.
MILVUS_PORTS = {19529, 53100, 19531, 13333, 21123, 21124, 21121, 22222, 2379, 2380}
# How long running calls get, beside --drain-wait.
GRACE = 10


@dataclasses.dataclass
class Rendering:
    docs: list
    # Objects that the values say are there already.
    existing: set
    help: str
    version: str

    def of(self, kind):
        return [d for d in self.docs if d["kind"] == kind]

    def pod(self):
        ((_, pod),) = pods(self.docs)
        return pod


def matches(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


def selectors(r):
    workloads = list(pods(r.docs))
    if len(workloads) != 1:
        yield f"{len(workloads)} workloads"
        return
    ((workload, pod),) = workloads
    wanted = [(workload, workload["spec"]["selector"]["matchLabels"])]
    wanted += [(s, s["spec"].get("selector")) for s in r.of("Service")]
    wanted += [(p, p["spec"]["selector"]["matchLabels"]) for p in r.of("PodDisruptionBudget")]
    wanted += [(p, p["spec"]["podSelector"].get("matchLabels")) for p in r.of("NetworkPolicy")]
    for spread in pod["spec"].get("topologySpreadConstraints", []):
        wanted.append((workload, spread["labelSelector"]["matchLabels"]))
    for document, selector in wanted:
        if not matches(selector, pod["metadata"]["labels"]):
            yield f"{document['kind']} {document['metadata']['name']} does not select the pod: {selector}"
    if workload["kind"] == "StatefulSet":
        names = {s["metadata"]["name"] for s in r.of("Service")}
        if workload["spec"]["serviceName"] not in names:
            yield f"serviceName: {workload['spec']['serviceName']} is none of {names}"


def monitors(r):
    for monitor in r.of("ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        found = [s for s in r.of("Service") if matches(selector, s["metadata"]["labels"])]
        ports = [{p["name"]: p["targetPort"] for p in s["spec"]["ports"]} for s in found]
        wanted = monitor["spec"]["endpoints"][0]["port"]
        if len(found) != 1 or ports[0].get(wanted) != 9091:
            yield f"ServiceMonitor: {wanted} of {[s['metadata']['name'] for s in found]}"


def behind(r):
    """The port of the Milvus in this pod, or None."""
    upstream = environment(server(r.pod()["spec"])).get("MILVUS_RBAC_UPSTREAM")
    return upstream and int(upstream.rsplit(":", 1)[1])


def service_ports(r):
    own = {p["containerPort"] for p in server(r.pod()["spec"])["ports"]}
    if own != {19530, 9091}:
        yield f"the server's ports are {own}"
    for service in r.of("Service"):
        for port in service["spec"]["ports"]:
            if port["name"] == "milvus" and port["targetPort"] != 19530:
                yield f"Service {service['metadata']['name']} leads to {port['targetPort']}"
            if port["targetPort"] == behind(r):
                yield f"Service {service['metadata']['name']} leads past the sidecar"


def network_policy(r):
    policies = r.of("NetworkPolicy")
    if behind(r) is None and not policies:
        return
    if len(policies) != 1 or policies[0]["spec"]["policyTypes"] != ["Ingress"]:
        yield f"{len(policies)} NetworkPolicies of ingress"
        return
    open_ports = set()
    for rule in policies[0]["spec"]["ingress"]:
        for port in rule.get("ports", [{}]):
            number = port.get("port")
            if number not in (19530, 9091) or port.get("protocol") != "TCP" or "endPort" in port:
                yield f"opens {port}"
            if number == 9091 and not all(peer for peer in rule.get("from", [{}])):
                yield "opens the admin port to everybody"
            open_ports.add(number)
    if 19530 not in open_ports:
        yield "keeps everybody out"
    if open_ports & (MILVUS_PORTS | {behind(r), milvus_metrics(r)}):
        yield "opens a port of Milvus"


def milvus_metrics(r):
    for c in containers(r.pod()["spec"]):
        if "METRICS_PORT" in environment(c):
            return int(environment(c)["METRICS_PORT"])
    return None


def ports_apart(r):
    """Two processes of one pod cannot have the same port."""
    if behind(r) is None:
        return
    used = [19530, 9091, behind(r), milvus_metrics(r), *MILVUS_PORTS]
    if None in used or len(set(used)) != len(used):
        yield f"{used}"
    told = [p["containerPort"] for c in containers(r.pod()["spec"]) for p in c.get("ports", [])]
    if len(set(told)) != len(told):
        yield f"{told}"


def native_sidecar(r):
    spec = r.pod()["spec"]
    if behind(r) is None:
        return
    if server(spec) not in spec.get("initContainers", []):
        yield "the server is no init container"
    if server(spec).get("restartPolicy") != "Always":
        yield "restartPolicy is not Always: Milvus would never be started"
    if "startupProbe" in server(spec):
        yield "a startupProbe would keep Milvus from being started"


def probes(r):
    spec = r.pod()["spec"]
    own = server(spec)
    wanted = {"livenessProbe": {"port": 9091, "service": "liveness"}, "readinessProbe": {"port": 9091}}
    if own in spec["containers"]:
        wanted["startupProbe"] = wanted["livenessProbe"]
    for name, probe in wanted.items():
        if (own.get(name) or {}).get("grpc") != probe:
            yield f"{name}: {own.get(name)}"
    if environment(own).get("MILVUS_RBAC_ADMIN_LISTEN") != "0.0.0.0:9091":
        yield "the admin port is not where the probes ask"


def mounts(r):
    for workload, pod in pods(r.docs):
        claims = workload["spec"].get("volumeClaimTemplates", [])
        have = [v["name"] for v in pod["spec"].get("volumes", [])] + [c["metadata"]["name"] for c in claims]
        used = {m["name"] for c in containers(pod["spec"]) for m in c.get("volumeMounts", [])}
        if len(set(have)) != len(have) or set(have) != used:
            yield f"volumes {sorted(have)}, mounted {sorted(used)}"


def files(r):
    """Each file and folder that the server is told of is in a volume."""
    own = server(r.pod()["spec"])
    paths = [m["mountPath"] for m in own["volumeMounts"]]
    for name, value in environment(own).items():
        told = value.removeprefix("file:").removeprefix("sled:")
        if told.startswith("/") and not any(f"{told}/".startswith(f"{path}/") for path in paths):
            yield f"{name}: {value} is in none of {paths}"


KINDS = {
    "secret": ("Secret", "secretName"),
    "configMap": ("ConfigMap", "name"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
}


def references(r):
    """What is mounted is rendered, or there already; secrets are not for everybody in the pod."""
    rendered = {(d["kind"], d["metadata"]["name"]) for d in r.docs}
    for volume in r.pod()["spec"].get("volumes", []):
        for key, (kind, name) in KINDS.items():
            if key in volume and (kind, volume[key][name]) not in rendered | r.existing:
                yield f"{kind} {volume[key][name]} does not exist"
        if "secret" in volume and volume["secret"].get("defaultMode") not in (0o440, 0o400):
            yield f"secret volume {volume['name']}: mode {volume['secret'].get('defaultMode')}"


def secrets(r):
    """No value of a secret is anywhere but in a Secret, and none is put into a variable."""
    for c in containers(r.pod()["spec"]):
        if c.get("envFrom") or any("valueFrom" in entry for entry in c.get("env", [])):
            yield f"{c['name']}: variables from elsewhere"
    rest = str([d for d in r.docs if d["kind"] != "Secret"])
    for name, key, value in secret_values(r.docs):
        if value in rest:
            yield f"{key} of Secret {name} is told elsewhere too"


def flags(r):
    known = set(re.findall(r"\[env: (\w+)=", r.help))
    own = server(r.pod()["spec"])
    if own.get("args") or own.get("command"):
        yield "flags are told by variables alone"
    names = [entry["name"] for entry in own["env"]]
    if len(set(names)) != len(names):
        yield "a variable is set twice"
    yield from (f"{name} is no flag of the server" for name in names if name not in known)


def end(r):
    """The server has the time that it takes to stop, and Milvus too."""
    spec = r.pod()["spec"]
    wait = int(environment(server(spec)).get("MILVUS_RBAC_DRAIN_WAIT", 0))
    for c in spec["containers"]:
        handler = ((c.get("lifecycle") or {}).get("preStop") or {}).get("exec")
        wait += int(handler["command"][1]) if handler else 0
    if wait + GRACE >= spec.get("terminationGracePeriodSeconds", 30):
        yield f"{wait} s and {GRACE} s, of {spec.get('terminationGracePeriodSeconds', 30)} s"
    if wait == 0:
        yield "no wait: connections would come while nobody listens"


def image(r):
    told = server(r.pod()["spec"])["image"]
    if "@sha256:" not in told and not told.endswith(f":{r.version}"):
        yield f"{told}, and this is {r.version}"


def replicas(r):
    for workload, pod in pods(r.docs):
        spec, store = workload["spec"], environment(server(pod["spec"]))["MILVUS_RBAC_STORE"]
        if store.startswith("sled:"):
            if spec["replicas"] != 1:
                yield f"{spec['replicas']} processes with one folder"
            if workload["kind"] == "Deployment" and spec["strategy"] != {"type": "Recreate"}:
                yield "the new pod would wait for the folder, and the old one for the new pod"
        elif spec["strategy"].get("rollingUpdate") != {"maxUnavailable": 0, "maxSurge": 1}:
            yield f"{spec['strategy']}"


def first(r, kind):
    return r.of(kind)[0]


def unset(r, variable):
    own = server(r.pod()["spec"])
    own["env"] = [entry for entry in own["env"] if entry["name"] != variable]


def put(r, variable, **entry):
    unset(r, variable)
    server(r.pod()["spec"])["env"].append({"name": variable, **entry})


def leak(r):
    _, _, value = next(secret_values(r.docs))
    first(r, "ConfigMap")["data"]["leak"] = f"the password is {value}"


def rule(r, number, **more):
    port = {"protocol": "TCP", "port": number}
    first(r, "NetworkPolicy")["spec"]["ingress"].append({"ports": [port], **more})


# check, and ways to break a sidecar's rendering, each of which it must notice
CHECKS = [
    (selectors, [
        lambda r: first(r, "Service")["spec"]["selector"].update(app="another"),
        lambda r: first(r, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].update(app="another"),
        lambda r: first(r, "NetworkPolicy")["spec"].update(podSelector={"matchLabels": {"app": "x"}}),
        lambda r: r.pod()["metadata"]["labels"].clear(),
        lambda r: first(r, "StatefulSet")["spec"].update(serviceName="another"),
    ]),
    (monitors, [
        lambda r: first(r, "ServiceMonitor")["spec"]["selector"]["matchLabels"].update(app="another"),
        lambda r: first(r, "ServiceMonitor")["spec"]["endpoints"][0].update(port="metrics"),
    ]),
    (service_ports, [
        lambda r: first(r, "Service")["spec"]["ports"][0].update(targetPort=behind(r)),
        lambda r: server(r.pod()["spec"])["ports"].pop(),
    ]),
    (network_policy, [
        lambda r: r.docs.remove(first(r, "NetworkPolicy")),
        lambda r: rule(r, behind(r)),
        lambda r: rule(r, milvus_metrics(r)),
        lambda r: rule(r, 9091),
        lambda r: first(r, "NetworkPolicy")["spec"]["ingress"].append({}),
        lambda r: first(r, "NetworkPolicy")["spec"]["ingress"].clear(),
        lambda r: first(r, "NetworkPolicy")["spec"].update(policyTypes=["Egress"]),
    ]),
    (ports_apart, [
        lambda r: put(r, "MILVUS_RBAC_UPSTREAM", value="http://127.0.0.1:9091"),
        lambda r: r.pod()["spec"]["containers"][0].update(ports=[{"containerPort": 19530}]),
    ]),
    (native_sidecar, [
        lambda r: server(r.pod()["spec"]).pop("restartPolicy"),
        lambda r: server(r.pod()["spec"]).update(startupProbe={"grpc": {"port": 9091}}),
        lambda r: r.pod()["spec"]["containers"].append(r.pod()["spec"]["initContainers"].pop()),
    ]),
    (probes, [
        lambda r: server(r.pod()["spec"]).update(livenessProbe={"grpc": {"port": 9091}}),
        lambda r: server(r.pod()["spec"]).update(readinessProbe={"grpc": {"port": 19530}}),
        lambda r: put(r, "MILVUS_RBAC_ADMIN_LISTEN", value="127.0.0.1:9091"),
    ]),
    (mounts, [
        lambda r: r.pod()["spec"]["volumes"].pop(0),
        lambda r: r.pod()["spec"]["volumes"].append({"name": "idle", "emptyDir": {}}),
    ]),
    (files, [
        lambda r: put(r, "MILVUS_RBAC_TLS_CERT", value="/etc/elsewhere/tls.crt"),
        lambda r: put(r, "MILVUS_RBAC_STORE", value="sled:/elsewhere"),
    ]),
    (references, [
        lambda r: r.pod()["spec"]["volumes"][0]["secret"].update(secretName="another"),
        lambda r: r.pod()["spec"]["volumes"][0]["secret"].pop("defaultMode"),
    ]),
    (secrets, [
        leak,
        lambda r: put(r, "MILVUS_RBAC_ROOT", valueFrom={"secretKeyRef": {"name": "x", "key": "y"}}),
    ]),
    (flags, [
        lambda r: put(r, "MILVUS_RBAC_NO_SUCH_FLAG", value="1"),
        lambda r: server(r.pod()["spec"])["env"].append(server(r.pod()["spec"])["env"][0]),
        lambda r: server(r.pod()["spec"]).update(args=["--listen", "0.0.0.0:19530"]),
    ]),
    (end, [
        lambda r: r.pod()["spec"].update(terminationGracePeriodSeconds=15),
        lambda r: r.pod()["spec"]["containers"][0].pop("lifecycle"),
    ]),
    (image, [lambda r: server(r.pod()["spec"]).update(image="milvus-rbac:latest")]),
    (replicas, [lambda r: first(r, "StatefulSet")["spec"].update(replicas=2)]),
]  # fmt: skip
