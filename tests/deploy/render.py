"""What Helm and kustomize make of the files under deploy/."""

import base64
import json
import pathlib
import shutil
import subprocess
import tempfile

import yaml

HERE = pathlib.Path(__file__).resolve().parent
DEPLOY = HERE.parent.parent / "deploy"
CHART = DEPLOY / "helm" / "milvus-rbac"
NAMESPACE = "access"


class Failed(Exception):
    """A tool that ended with something else than 0; its text is what it said."""


def run(*command, stdin=None, **more):
    done = subprocess.run(
        [str(part) for part in command], input=stdin, capture_output=True, text=True, timeout=120, **more
    )
    if done.returncode:
        raise Failed(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


class Tools:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def helm(self, values, *more, chart=CHART):
        """The chart with the values of a file, or of a dictionary."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            if isinstance(values, dict):
                yaml.safe_dump(values, file)
                file.flush()
                values = file.name
            command = ("template", "mine", chart, "--namespace", NAMESPACE, "--values", values)
            # Whatever clusters are known on this machine are none of Helm's business.
            home = {"HOME": str(self.folder / "home"), "KUBECONFIG": "/dev/null"}
            return run(self.folder / "helm", *command, *more, env=home)

    def lint(self, values):
        return run(self.folder / "helm", "lint", "--strict", CHART, "--values", values)

    def notes(self, values):
        """NOTES.txt, which Helm shows with a cluster alone: so another template repeats it."""
        with tempfile.TemporaryDirectory() as folder:
            chart = pathlib.Path(folder) / CHART.name
            shutil.copytree(CHART, chart)
            repeat = '{{ dict "notes" (include (print .Template.BasePath "/NOTES.txt") .) | toJson }}'
            (chart / "templates" / "repeat.yaml").write_text(repeat)
            shown = self.helm(values, "--show-only", "templates/repeat.yaml", chart=chart)
        return documents(shown)[0]["notes"]

    def kustomize(self, folder):
        # The component of the repository is used from the outside.
        return run(self.folder / "kustomize", "build", "--load-restrictor=LoadRestrictionsNone", folder)

    def conforms(self, text, version):
        """Kubernetes' schemas have nothing against it, and know every field."""
        location = self.schemas(version) / "{{ .ResourceKind }}{{ .KindSuffix }}.json"
        known = [d for d in documents(text) if d["kind"] != "ServiceMonitor"]
        for monitor in (d for d in documents(text) if d["kind"] == "ServiceMonitor"):
            run(self.folder / "servicemonitor", stdin=yaml.safe_dump(monitor))
        flags = ("-strict", "-output", "json", "-schema-location", location, "-kubernetes-version", version)
        found = run(self.folder / "kubeconform", "-summary", *flags, stdin=yaml.safe_dump_all(known))
        summary = json.loads(found)["summary"]
        if summary != {"valid": len(known), "invalid": 0, "errors": 0, "skipped": 0}:
            raise Failed(f"{len(known)} documents, {summary}")

    def schemas(self, version):
        """The schemas of a PyPI package, referring to one another as kubeconform looks for them."""
        folder = self.folder / "schemas" / version
        if not folder.exists():
            package = next(self.folder.glob("python/lib/python*/site-packages/kubernetes_validate"))
            making = folder.with_name(f"{version}.making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            for file in (package / "kubernetes-json-schema" / f"v{version}-local-strict").glob("*.json"):
                schema = json.loads(file.read_text().replace("/api/_definitions.json", "_definitions.json"))
                schema.pop("$id", None)
                (making / file.name).write_text(json.dumps(schema))
            making.rename(folder)
        return folder


def pods(docs):
    """(workload, pod) of each document that makes pods."""
    for document in docs:
        if document["kind"] in ("StatefulSet", "Deployment"):
            yield document, document["spec"]["template"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def server(spec):
    """Our container, be it a sidecar or not."""
    return next(c for c in containers(spec) if c["name"] == "milvus-rbac")


def environment(container):
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def secret_values(docs):
    for document in docs:
        if document["kind"] == "Secret":
            for key, value in document.get("data", {}).items():
                yield document["metadata"]["name"], key, base64.b64decode(value).decode()
