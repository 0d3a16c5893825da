"""The checks of tests/deploy/run. Each tells whether it passed; the last line counts."""

import copy
import re
import sys
import tempfile
import tomllib
import traceback
from base64 import b64encode

import yaml

import manifests
import restricted
import serving
from cluster import cluster
from render import CHART, DEPLOY, HERE, Failed, Tools, containers, documents, pods, run, secret_values

# The oldest Kubernetes that the chart takes, and the newest that there are schemas of.
VERSIONS = ("1.29.0", "1.37.0")
# What the values files, the kustomize folders and their comments say is there already.
EXISTING = {
    ("Secret", name)
    for name in (
        "our-root", "our-tls", "our-passwords", "etcd-client", "etcd-user", "milvus-login", "milvus-rbac-root",
    )
} | {("PersistentVolumeClaim", "access-data")}  # fmt: skip

passed = failed = 0


def check(name, body):
    global passed, failed
    try:
        found = list(body() or ())
    except (Failed, AssertionError, LookupError, OSError) as error:
        found = [str(error) or traceback.format_exc()]
    if found:
        failed += 1
        print(f"FAILED  {name}", *(f"          {line}" for line in found), sep="\n", flush=True)
    else:
        passed += 1


def of_milvus_itself(docs, container):
    """A Milvus that somebody else has installed is theirs."""
    return any(d["metadata"]["name"] == "mine-milvus" for d in docs) and container["name"] != "milvus-rbac"


def secure(docs, name_of, test):
    for _, pod in pods(docs):
        ours = [c for c in containers(pod["spec"]) if not of_milvus_itself(docs, c)]
        yield from (f"{name_of}: {what}" for what in test(pod["spec"], ours))


def rendering(tools, name, text, help_text, version):
    """Everything that is checked of one rendering."""
    docs = documents(text)
    for kubernetes in VERSIONS:
        check(f"{name}: conforms to Kubernetes {kubernetes}", lambda: tools.conforms(text, kubernetes))
    for what, test, _ in restricted.CHECKS:
        check(f"{name}: {what}", lambda: secure(docs, what, test))
    found = manifests.Rendering(docs, EXISTING, help_text, version)
    for test, _ in manifests.CHECKS:
        check(f"{name}: {test.__name__}", lambda: test(found))


def can_fail(tools, help_text, version):
    """Each check finds what it is for, in a rendering that was broken for it."""
    values = {
        "mode": "sidecar",
        "metrics": {"serviceMonitor": {"enabled": True}},
        "podDisruptionBudget": {"enabled": True},
    }
    whole = documents(tools.helm(values))
    for what, test, spoil in restricted.CHECKS:
        docs = copy.deepcopy(whole)
        for _, pod in pods(docs):
            spoil(pod["spec"])
        check(f"broken on purpose: {what}", lambda: [] if any(secure(docs, "", test)) else ["not noticed"])
    for test, spoils in manifests.CHECKS:
        for number, spoil in enumerate(spoils):
            broken = manifests.Rendering(copy.deepcopy(whole), EXISTING, help_text, version)
            spoil(broken)
            name = f"broken on purpose: {test.__name__}, {number + 1}"
            check(name, lambda: [] if any(test(broken)) else ["not noticed"])
    bad = tools.helm(values).replace("restartPolicy: Always", "restartPolicyy: Always")
    check("broken on purpose: a field that Kubernetes does not know", lambda: refused(tools, bad, "restartPolicyy"))
    bad = tools.helm(values).replace("interval: 30s", "intervall: 30s")
    check("broken on purpose: a field of ServiceMonitor", lambda: refused(tools, bad, "intervall"))


def refused(tools, text, word):
    try:
        tools.conforms(text, VERSIONS[0])
    except Failed as error:
        return [] if word in str(error) else [f"for another reason: {error}"]
    return ["not noticed"]


def bad_values(tools):
    for case in yaml.safe_load((HERE / "refused.yaml").read_text()):

        def body():
            try:
                tools.helm(case["set"])
            except Failed as error:
                return [] if case["says"] in str(error) else [f"it says: {error}"]
            return ["it renders"]

        check(f"refused: {case['set']}", body)


def notes(tools, values, docs):
    """The notes name objects that are there, and repeat no secret."""
    text = tools.notes(values)
    kinds = {"svc": "Service", "secret": "Secret", "configmap": "ConfigMap", "deployment": "Deployment",
             "statefulset": "StatefulSet", "networkpolicy": "NetworkPolicy"}  # fmt: skip
    there = {(d["kind"], d["metadata"]["name"]) for d in docs} | EXISTING
    named = re.findall(rf"\b({'|'.join(kinds)})/([-.a-z0-9]+)", text)
    for kind, name in named:
        if (kinds[kind], name.rstrip(".")) not in there:
            yield f"{kind}/{name} is not rendered"
    if {"svc", "secret"} - {kind for kind, _ in named}:
        yield f"no way to the first call: {text}"
    port = re.search(r"port-forward svc/\S+ 19530:(\d+)", text)
    service = next(d for d in docs if d["kind"] == "Service" and "clusterIP" not in d["spec"])
    if not port or int(port[1]) != service["spec"]["ports"][0]["port"]:
        yield "port-forward names another port than the Service"
    if any(value in text for _, _, value in secret_values(docs)):
        yield "a secret is in the notes"
    if any(line != line.rstrip() for line in text.splitlines()):
        yield "blanks at the end of a line"


def leaves(values, prefix=""):
    for key, value in values.items():
        path = f"{prefix}{key}"
        yield from leaves(value, f"{path}.") if isinstance(value, dict) and value else [path]


def documented(values):
    """README's table has each value once, and no other."""
    table = (CHART / "README.md").read_text().split("## Values")[1]
    rows = re.findall(r"^\| `([\w.]+)` \|", table, re.M)
    # These are Kubernetes' own words, told in one row.
    whole = ("resources", "milvus.resources", "networkPolicy.monitoring")
    have = {next((w for w in whole if leaf.startswith(f"{w}.")), leaf) for leaf in leaves(values)}
    yield from (f"{path} has no row" for path in sorted(have - set(rows)))
    yield from (f"{path} is no value" for path in sorted(set(rows) - have))
    yield from (f"{path} is there twice" for path in sorted({p for p in rows if rows.count(p) > 1}))


def versions(version):
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    if chart["appVersion"] != version:
        yield f"appVersion {chart['appVersion']}, and Cargo.toml has {version}"
    for file in DEPLOY.glob("kustomize/**/kustomization.yaml"):
        for image in yaml.safe_load(file.read_text()).get("images", []):
            if image["newTag"] != version:
                yield f"{file}: {image['newTag']}, and Cargo.toml has {version}"


def random_password(tools):
    """One is made for each release and kept over upgrades, and none where a Secret is named."""
    made = [list(secret_values(documents(tools.helm({})))) for _ in range(2)]
    if any(len(m) != 1 or len(m[0][2]) != 24 for m in made) or made[0] == made[1]:
        yield f"{made}"
    name, key, kept = made[0][0]
    there = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    with cluster({name: there | {"data": {key: b64encode(kept.encode()).decode()}}}) as address:
        after = documents(tools.helm({}, "--dry-run=server", "--kube-apiserver", address))
    if list(secret_values(after)) != made[0]:
        yield f"an upgrade makes another password: {list(secret_values(after))}"
    with cluster({}) as address:
        fresh = documents(tools.helm({}, "--dry-run=server", "--kube-apiserver", address))
    if [len(value) for _, _, value in secret_values(fresh)] != [24]:
        yield f"a first installation: {list(secret_values(fresh))}"
    if list(secret_values(documents(tools.helm({"rootPassword": {"existingSecret": "our-root"}})))):
        yield "a Secret beside the one that is named"


def as_told(tools, binary):
    """The server takes what the manifests tell it, and does what the probes and the end of a pod ask for."""
    files = {
        "our-root": {"root-password": "a password of ours"},
        "our-passwords": {"alice": "P@ssw0rd"},
        "etcd-user": {"credentials": "milvus-rbac:a password of ours"},
        "milvus-login": {"credentials": "root:a password of ours"},
        "milvus-rbac-root": {"password": "a password of ours"},
    }

    def helm(name):
        # But for TLS, whose certificates the tests of the server make, and with a shorter wait.
        values = yaml.safe_load((HERE / "values" / f"{name}.yaml").read_text())
        changed = {"tls": {}, "lifecycle": {"drainWait": 2}} if name.endswith("full") else {}
        if "etcd" in values:
            changed["etcd"] = values["etcd"] | {"tls": {}}
        return tools.helm(values | changed)

    def told(name, text, start, *more):
        with tempfile.TemporaryDirectory() as place:
            check(f"as told by {name}", lambda: start(binary, text, place, files, *more))

    told("standalone.yaml", helm("standalone"), serving.serves)
    told("standalone-full.yaml", helm("standalone-full"), serving.serves, "reader")
    told("kustomize standalone", tools.kustomize(DEPLOY / "kustomize" / "standalone"), serving.serves)
    for name in ("replicated", "replicated-full"):
        told(f"{name}.yaml", helm(name), serving.ends_without_its_etcd)
    told("kustomize replicated", tools.kustomize(DEPLOY / "kustomize" / "replicated"), serving.ends_without_its_etcd)
    for name in ("sidecar", "sidecar-full"):
        told(f"{name}.yaml", helm(name), serving.waits_for_its_milvus)
    told("kustomize sidecar", tools.kustomize(DEPLOY / "kustomize" / "sidecar"), serving.waits_for_its_milvus)


def main(folder, binary):
    tools = Tools(folder)
    version = tomllib.loads((DEPLOY.parent / "Cargo.toml").read_text())["package"]["version"]
    help_text = run(binary, "--help")

    check("versions", lambda: versions(version))
    check("README's table of values", lambda: documented(yaml.safe_load((CHART / "values.yaml").read_text())))
    check("root's password", lambda: random_password(tools))
    for values in sorted((HERE / "values").glob("*.yaml")):
        check(f"lint {values.name}", lambda: tools.lint(values) and None)
        text = tools.helm(values)
        rendering(tools, values.name, text, help_text, version)
        check(f"{values.name}: notes", lambda: notes(tools, values, documents(text)))
    for kustomization in (
        *(DEPLOY / "kustomize" / name for name in ("standalone", "replicated", "sidecar")),
        HERE / "existing-milvus",
    ):
        rendering(tools, f"kustomize {kustomization.name}", tools.kustomize(kustomization), help_text, version)
    bad_values(tools)
    can_fail(tools, help_text, version)

    as_told(tools, binary)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
