"""The files that deploy a package, as their tools read them, and the probes in an overload."""

import http.client
import json
import shutil
import subprocess
from contextlib import closing
from typing import NamedTuple

import kubernetes_validate
import pytest
import yaml

from pipeline.image.docker import HARDENED
from pipeline.image.http import Service
from pipeline.packaging.build import OBJECTS
from tests.containers import compose, needs

SECONDS = 20
CONNECTIONS = 200
SMALL = {"age": 63, "sex": 1, "cp": 1}
LARGE = [SMALL] * 1000
LOAD = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{body}'
"""


class Probe(NamedTuple):
    """A probe as a node makes it, but without a pause between two questions."""

    path: str
    port: str
    seconds: float
    threshold: int

    def is_answered(self, port):
        """Ask once, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=self.seconds)
        with closing(connection):
            try:
                connection.request("GET", self.path)
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False


@pytest.fixture
def manifests(champion):
    """Return the folder of the champion's Kubernetes files."""
    return champion / "deployment" / "kubernetes"


@pytest.fixture
def described(manifests):
    """Return the container that the deployment describes."""
    deployment = yaml.safe_load((manifests / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


@pytest.fixture
def probes(described):
    """Return its readiness and its liveness probe."""
    found = [described[name] for name in ("readinessProbe", "livenessProbe")]
    return [
        Probe(**one["httpGet"], seconds=one["timeoutSeconds"], threshold=one["failureThreshold"])
        for one in found
    ]


@pytest.fixture
def ports(client, built, described):
    """Return the ports of such a container on this machine, by their names; it runs meanwhile."""
    numbers = {port["name"]: port["containerPort"] for port in described["ports"]}
    published = {f"{number}/tcp": ("127.0.0.1", None) for number in numbers.values()}
    container = client.containers.run(
        built, described["args"], detach=True, ports=published, **HARDENED
    )
    try:
        container.reload()
        yield {
            name: int(container.ports[f"{number}/tcp"][0]["HostPort"])
            for name, number in numbers.items()
        }
        container.reload()
        assert container.status == "running"
        assert len(container.logs().splitlines()) == 1
    finally:
        container.remove(force=True)


@pytest.fixture
def rendered(manifests):
    """Return a function that renders the files as ``kubectl apply -k`` does."""
    if shutil.which("kubectl") is None:
        needs("kubectl is not installed: it is in Debian's package kubernetes-client")

    def render():
        """Return the objects, by their kind."""
        done = subprocess.run(["kubectl", "kustomize", manifests], check=True, capture_output=True)
        return {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}

    return render


@pytest.fixture
def overload(tmp_path):
    """Return a function that starts to send small and large bodies, far over the capacity."""
    if shutil.which("wrk") is None:
        needs("wrk is not installed: it is a package of Debian")
    scripts = [tmp_path / name for name in ("small.lua", "large.lua")]
    for script, body in zip(scripts, (SMALL, LARGE), strict=True):
        script.write_text(LOAD.format(body=json.dumps(body)))

    def start(port):
        """Return the processes that send."""
        command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS)]
        command += ["--duration", str(SECONDS), "--timeout", "60"]
        url = f"http://127.0.0.1:{port}/predict"
        return [
            subprocess.Popen([*command, "--script", script, url], stdout=subprocess.PIPE, text=True)
            for script in scripts
        ]

    return start


def test_kubectl_renders_every_object_with_the_image_that_is_set(manifests, rendered):
    """One place to set it, and the result is strictly valid."""
    kustomization = manifests / "kustomization.yaml"
    settings = yaml.safe_load(kustomization.read_text())
    settings["images"][0] |= {"newName": "registry.example/team/heart", "newTag": "1.2.3"}
    kustomization.write_text(yaml.safe_dump(settings))

    found = rendered()

    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/team/heart:1.2.3"
    assert len(found) == len(OBJECTS)
    for one in found.values():
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_compose_accepts_the_file(champion):
    """By its own check."""
    command = [*compose(), "--file", "deployment/compose.yaml", "config", "--quiet"]
    done = subprocess.run(command, cwd=champion, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_in_an_overload_no_probe_takes_the_container_out_or_restarts_it(ports, probes, overload):
    """It refuses what is too much meanwhile, and then answers as ever."""
    service = Service("127.0.0.1", ports["http"])
    service.wait(60, lambda: "")
    senders, failed = overload(ports["http"]), dict.fromkeys(probes, 0)
    while any(sender.poll() is None for sender in senders):
        for probe in probes:
            failed[probe] = 0 if probe.is_answered(ports[probe.port]) else failed[probe] + 1
            assert failed[probe] < probe.threshold
    said = [sender.communicate()[0] for sender in senders]

    assert all("Non-2xx or 3xx responses" in text for text in said)
    assert service.post("/predict", SMALL).status == 200
