"""
Kubernetes' Pod Security Standard "restricted", check by check, and what we want beyond it. A check takes a
pod's spec and the containers that it is about, and yields what it has against them. With each check stands
how to break a good pod so that it must speak.
"""

from render import server


def context(part):
    return part.get("securityContext") or {}


def host_namespaces(spec, _):
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name))


def privileged(_, containers):
    yield from (c["name"] for c in containers if context(c).get("privileged"))


def capabilities(_, containers):
    for c in containers:
        held = context(c).get("capabilities") or {}
        if "ALL" not in held.get("drop", []) or set(held.get("add", [])) - {"NET_BIND_SERVICE"}:
            yield f"{c['name']}: {held}"


VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip


def volume_types(spec, _):
    for volume in spec.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"{volume}"


def host_ports(_, containers):
    yield from (c["name"] for c in containers for port in c.get("ports", []) if port.get("hostPort"))


def probe_hosts(_, containers):
    for c in containers:
        handlers = [c.get(f"{probe}Probe") or {} for probe in ("liveness", "readiness", "startup")]
        handlers += (c.get("lifecycle") or {}).values()
        for handler in handlers:
            if any((handler.get(kind) or {}).get("host") for kind in ("httpGet", "tcpSocket")):
                yield c["name"]


def apparmor(spec, containers):
    for part in (spec, *containers):
        profile = context(part).get("appArmorProfile") or {}
        if profile.get("type", "RuntimeDefault") not in ("RuntimeDefault", "Localhost"):
            yield f"{profile}"


def selinux(spec, containers):
    for part in (spec, *containers):
        options = context(part).get("seLinuxOptions") or {}
        types = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
        if options.get("type", "") not in types or options.get("user") or options.get("role"):
            yield f"{options}"


def proc_mount(_, containers):
    yield from (c["name"] for c in containers if context(c).get("procMount", "Default") != "Default")


SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip


def sysctls(spec, _):
    yield from (s["name"] for s in context(spec).get("sysctls", []) if s["name"] not in SYSCTLS)


def host_process(spec, containers):
    for part in (spec, *containers):
        if (context(part).get("windowsOptions") or {}).get("hostProcess"):
            yield "hostProcess"


def privilege_escalation(_, containers):
    yield from (c["name"] for c in containers if context(c).get("allowPrivilegeEscalation") is not False)


def run_as_non_root(spec, containers):
    of_all = context(spec).get("runAsNonRoot")
    yield from (c["name"] for c in containers if context(c).get("runAsNonRoot", of_all) is not True)


def run_as_user(spec, containers):
    if any(context(part).get("runAsUser") == 0 for part in (spec, *containers)):
        yield "runAsUser: 0"


def seccomp(spec, containers):
    of_all = context(spec).get("seccompProfile") or {}
    for c in containers:
        profile = context(c).get("seccompProfile") or of_all
        if profile.get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{c['name']}: {profile}"


# Beyond the standard.


def read_only_root(spec, _):
    if context(server(spec)).get("readOnlyRootFilesystem") is not True:
        yield "the server can write its image"


def token(spec, containers):
    if len(containers) == len(spec["containers"] + spec.get("initContainers", [])):
        if spec.get("automountServiceAccountToken") is not False:
            yield "a token of the service account is mounted"


def service_links(spec, _):
    if spec.get("enableServiceLinks") is not False:
        yield "variables of services would change settings"


def bounded(_, containers):
    for c in containers:
        resources = c.get("resources") or {}
        if not (resources.get("limits") or {}).get("memory"):
            yield f"{c['name']}: no limit of memory"


def put(spec, part, **values):
    target = spec if part == "pod" else spec["containers"][0]
    target.setdefault("securityContext", {}).update(values)


# name, check, how to break a pod that passes
CHECKS = [
    ("host namespaces", host_namespaces, lambda s: s.update(hostPID=True)),
    ("privileged", privileged, lambda s: put(s, "container", privileged=True)),
    ("capabilities dropped", capabilities, lambda s: put(s, "container", capabilities={})),
    ("capabilities added", capabilities,
     lambda s: put(s, "container", capabilities={"drop": ["ALL"], "add": ["NET_RAW"]})),
    ("volume types", volume_types,
     lambda s: s["volumes"].append({"name": "node", "hostPath": {"path": "/"}})),
    ("host ports", host_ports,
     lambda s: s["containers"][0].update(ports=[{"containerPort": 1, "hostPort": 1}])),
    ("hosts of probes", probe_hosts,
     lambda s: s["containers"][0].update(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 1}})),
    ("AppArmor", apparmor, lambda s: put(s, "pod", appArmorProfile={"type": "Unconfined"})),
    ("SELinux", selinux, lambda s: put(s, "pod", seLinuxOptions={"type": "spc_t"})),
    ("/proc", proc_mount, lambda s: put(s, "container", procMount="Unmasked")),
    ("sysctls", sysctls, lambda s: put(s, "pod", sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
    ("Windows", host_process, lambda s: put(s, "pod", windowsOptions={"hostProcess": True})),
    ("privilege escalation", privilege_escalation,
     lambda s: s["containers"][0]["securityContext"].pop("allowPrivilegeEscalation")),
    ("not root", run_as_non_root, lambda s: put(s, "container", runAsNonRoot=False)),
    ("no user 0", run_as_user, lambda s: put(s, "pod", runAsUser=0)),
    ("seccomp", seccomp, lambda s: put(s, "container", seccompProfile={"type": "Unconfined"})),
    ("seccomp told", seccomp, lambda s: s["securityContext"].pop("seccompProfile")),
    ("read-only image", read_only_root,
     lambda s: server(s)["securityContext"].update(readOnlyRootFilesystem=False)),
    ("no token", token, lambda s: s.pop("automountServiceAccountToken")),
    ("no service links", service_links, lambda s: s.pop("enableServiceLinks")),
    ("memory bounded", bounded, lambda s: s["containers"][0].pop("resources")),
]  # fmt: skip
