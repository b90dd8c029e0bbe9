"""The deployment files of a package, read as a cluster and as compose read them."""

import re
import subprocess

import kubernetes_validate
import pytest
import yaml

from pipeline.base import artifacts
from pipeline.model_packaging import ModelPackager
from tests.containers import compose

KUBERNETES = "deployment/kubernetes/"
KINDS = ("deployment", "service", "autoscaler")
NEWEST = kubernetes_validate.latest_version()
# The oldest one here is where autoscaling/v2 and its peers are long settled.
VERSIONS = ("1.30", NEWEST)


def parsed(files):
    """Return each Kubernetes object by the name of its file."""
    return {kind: yaml.safe_load(files[f"{KUBERNETES}{kind}.yaml"]) for kind in KINDS}


@pytest.fixture(scope="module")
def objects(files):
    """Return the champion's Kubernetes objects."""
    return parsed(files)


@pytest.fixture(scope="module")
def pod(objects):
    """Return the pod that the deployment makes."""
    return objects["deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    """Return its one container."""
    (only,) = pod["containers"]
    return only


@pytest.fixture(scope="module")
def service(files):
    """Return the one service of the compose file, by its name."""
    (only,) = yaml.safe_load(files["deployment/compose.yaml"])["services"].items()
    return only


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_manifest_is_strictly_valid(objects, kind, version):
    """No field is unknown, misplaced or of another type."""
    kubernetes_validate.validate(objects[kind], version, strict=True)


def test_a_misplaced_field_would_be_found(objects):
    """The check above can fail."""
    broken = {**objects["service"], "replicas": 2}

    with pytest.raises(kubernetes_validate.ValidationError, match="replicas"):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


def test_the_pod_keeps_the_restricted_pod_security_standard(pod, container):
    """Every rule of it that applies to a pod without host access."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not {"privileged", "procMount", "runAsUser"} & container["securityContext"].keys()
    assert all(volume.keys() == {"name", "emptyDir"} for volume in pod["volumes"])
    assert all("hostPort" not in port for port in container["ports"])


def test_the_container_can_write_to_a_bounded_tmp_only(pod, container):
    """The root file system is read-only."""
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    assert pod["volumes"][0]["emptyDir"]["sizeLimit"]


def test_the_pod_gets_no_key_to_the_cluster(pod):
    """It never asks the cluster anything."""
    assert pod["automountServiceAccountToken"] is False


def test_the_pod_is_told_of_no_service_around_it(pod):
    """A Service may have any name, and so may the variables that Kubernetes makes of it."""
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")],
)
def test_the_probes_ask_the_documented_paths(container, probe, path):
    """On the port that the container names."""
    assert container[probe]["httpGet"] == {"path": path, "port": "http"}
    assert [port["name"] for port in container["ports"]] == ["http"]


def test_memory_and_processor_are_requested_and_limited(container):
    """The autoscaler measures against the request."""
    resources = container["resources"]

    assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}


def test_an_update_never_has_fewer_pods_than_before(objects):
    """A new one is ready before an old one goes."""
    update = objects["deployment"]["spec"]["strategy"]["rollingUpdate"]

    assert update == {"maxUnavailable": 0, "maxSurge": 1}


def test_labels_and_selectors_agree(objects):
    """The deployment and the service find the pods that the deployment makes."""
    labels = objects["deployment"]["spec"]["template"]["metadata"]["labels"]

    for selector in (
        objects["deployment"]["spec"]["selector"]["matchLabels"],
        objects["service"]["spec"]["selector"],
    ):
        assert selector
        assert selector.items() <= labels.items()


def test_the_selector_leaves_the_version_out(objects):
    """It can never change, and the version does."""
    selector = objects["deployment"]["spec"]["selector"]["matchLabels"]

    assert "app.kubernetes.io/version" not in selector


def test_the_service_sends_to_the_container_s_port(objects, container):
    """By its name."""
    (port,) = objects["service"]["spec"]["ports"]

    assert port["targetPort"] == container["ports"][0]["name"]


def test_the_autoscaler_targets_the_deployment(objects):
    """And at least two pods serve."""
    spec, deployment = objects["autoscaler"]["spec"], objects["deployment"]

    assert spec["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    assert 2 <= spec["minReplicas"] < spec["maxReplicas"]


def test_the_number_of_pods_is_the_autoscaler_s_alone(objects):
    """Applying the deployment again would otherwise set it back."""
    assert "replicas" not in objects["deployment"]["spec"]


def test_the_image_tag_names_the_package(factory, container, service):
    """Version 1 of another model has another image."""
    other = artifacts.files_below(factory / "packages" / "heart_disease_svm_model_v1")
    svm = parsed(other)["deployment"]["spec"]["template"]["spec"]["containers"][0]

    assert container["image"] == service[1]["image"] == "heart-disease:heart_disease_model_v1"
    assert svm["image"] == "heart-disease:heart_disease_svm_model_v1"


def test_the_deployment_names_the_model_and_its_digest(objects, packager, copied):
    """So that a cluster can be asked what it runs."""
    about = packager.validate_package(copied)

    assert objects["deployment"]["metadata"]["annotations"] == {
        "heart-disease/model": "heart_disease/1",
        "heart-disease/model-digest": about.model_digest,
    }


@pytest.fixture
def elsewhere(place, monkeypatch):
    """Return the files of a package whose image lies in a registry, on another port."""
    assert place.is_dir()
    monkeypatch.setenv("PIPELINE__PACKAGING__IMAGE", "registry.example:5000/team/heart")
    monkeypatch.setenv("PIPELINE__PACKAGING__PORT", "8080")
    return artifacts.files_below(ModelPackager().create_package())


def test_an_image_in_a_registry_leaves_names_that_a_cluster_takes(elsewhere):
    """Names and labels have the last part of the address alone."""
    found = parsed(elsewhere)
    names = {one["metadata"]["name"] for one in found.values()}
    labels = {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in found.values()}
    (container,) = found["deployment"]["spec"]["template"]["spec"]["containers"]

    assert names == labels == {"heart"}
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) for name in names)
    assert container["image"] == "registry.example:5000/team/heart:heart_disease_model_v1"


def test_the_port_is_the_configured_one(elsewhere):
    """In compose and in the cluster."""
    (container,) = parsed(elsewhere)["deployment"]["spec"]["template"]["spec"]["containers"]
    (service,) = yaml.safe_load(elsewhere["deployment/compose.yaml"])["services"].values()

    assert container["ports"] == [{"name": "http", "containerPort": 8080}]
    assert service["ports"] == ["8080:8080"]


def test_the_compose_service_is_locked_down(service):
    """As the pod is: read-only, no capabilities, no new privileges, limits."""
    _, about = service

    assert about["read_only"] is True
    assert about["tmpfs"] == ["/tmp:size=64m"]  # noqa: S108
    assert about["cap_drop"] == ["ALL"]
    assert about["security_opt"] == ["no-new-privileges:true"]
    assert about["mem_limit"]
    assert about["cpus"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "volumes"} & about.keys()


def test_compose_accepts_the_file(copied):
    """By its own check."""
    done = subprocess.run(
        [*compose(), "--file", "deployment/compose.yaml", "config", "--quiet"],
        cwd=copied,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
