"""The deployment files of a package, read as a cluster and as compose read them."""

import re

import kubernetes_validate
import pytest
import yaml

from pipeline.base import artifacts
from pipeline.image.docker import HARDENED
from pipeline.model_packaging import ModelPackager
from pipeline.packaging.build import OBJECTS
from pipeline.packaging.container import LIMITS
from pipeline.serving.server import DRAIN_SECONDS, FINISH_SECONDS
from tests.conftest import ROOT

KUBERNETES = "deployment/kubernetes/"
NEWEST = kubernetes_validate.latest_version()
# The oldest one here is where autoscaling/v2 and its peers are long settled.
VERSIONS = ("1.30", NEWEST)


def parsed(files):
    """Return each Kubernetes object by the name of its file."""
    return {name: yaml.safe_load(files[f"{KUBERNETES}{name}.yaml"]) for name in OBJECTS}


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
@pytest.mark.parametrize("name", OBJECTS)
def test_the_manifest_is_strictly_valid(objects, name, version):
    """No field is unknown, misplaced or of another type."""
    kubernetes_validate.validate(objects[name], version, strict=True)


def test_a_misplaced_field_would_be_found(objects):
    """The check above can fail."""
    broken = {**objects["service"], "replicas": 2}

    with pytest.raises(kubernetes_validate.ValidationError, match="replicas"):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


def test_the_pod_keeps_the_restricted_pod_security_standard(pod, container):
    """Every rule of it that applies to a pod without host access."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not {"privileged", "procMount"} & container["securityContext"].keys()
    assert all(volume.keys() == {"name", "emptyDir"} for volume in pod["volumes"])
    assert all("hostPort" not in port for port in container["ports"])


def test_the_cluster_may_choose_the_user(pod, container):
    """OpenShift does, and refuses a pod that names one."""
    for context in (pod["securityContext"], container["securityContext"]):
        assert not {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"} & context.keys()


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
    """On a port that the container names, and at which the service does not listen for clients."""
    assert container[probe]["httpGet"] == {"path": path, "port": "probes"}
    assert [port["name"] for port in container["ports"]] == ["http", "probes"]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_no_probe_expects_an_answer_within_the_second_of_the_default(container, probe):
    """In an overload the service takes longer."""
    assert container[probe]["timeoutSeconds"] >= 10


def test_one_slow_answer_takes_no_pod_out_and_none_is_restarted_before_it_is_taken_out(container):
    """A restart would make the overload of the others worse."""
    ready, alive = container["readinessProbe"], container["livenessProbe"]

    assert ready["failureThreshold"] > 1
    assert patience(alive) >= 60 > patience(ready)


def patience(probe):
    """Return for how many seconds a probe may fail, at the least."""
    return probe["periodSeconds"] * probe["failureThreshold"]


def test_memory_and_processor_are_requested_and_limited(container):
    """No more memory than is there on every node: what is taken cannot be taken back."""
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]

    assert requests["memory"] == limits["memory"] == f"{LIMITS.memory_mib}Mi"
    assert millicores(requests["cpu"]) <= millicores(limits["cpu"]) == LIMITS.cores * 1000


def millicores(quantity):
    """Return a quantity of processor as Kubernetes reads it."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * 1000


def test_a_pod_has_the_time_to_stop(pod):
    """It drains first, and then answers what is under way."""
    assert pod["terminationGracePeriodSeconds"] > DRAIN_SECONDS + FINISH_SECONDS


def test_pods_are_spread_over_zones_and_nodes(pod, objects):
    """A cluster of one node runs them, too."""
    labels = objects["deployment"]["spec"]["template"]["metadata"]["labels"]
    spread = pod["topologySpreadConstraints"]

    assert [one["topologyKey"].partition("/")[2] for one in spread] == ["zone", "hostname"]
    assert {one["whenUnsatisfiable"] for one in spread} == {"ScheduleAnyway"}
    assert all(one["labelSelector"]["matchLabels"].items() <= labels.items() for one in spread)


def test_an_update_never_has_fewer_pods_than_before(objects):
    """A new one is ready before an old one goes."""
    update = objects["deployment"]["spec"]["strategy"]["rollingUpdate"]

    assert update == {"maxUnavailable": 0, "maxSurge": 1}


def test_labels_and_selectors_agree(objects):
    """Everything that selects pods finds those that the deployment makes."""
    labels = objects["deployment"]["spec"]["template"]["metadata"]["labels"]

    for selector in (
        objects["deployment"]["spec"]["selector"]["matchLabels"],
        objects["disruption-budget"]["spec"]["selector"]["matchLabels"],
        objects["network-policy"]["spec"]["podSelector"]["matchLabels"],
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


def test_the_autoscaler_acts_before_the_core_of_a_pod_is_used_up(objects, container):
    """But not while the pods use what they request."""
    (metric,) = objects["autoscaler"]["spec"]["metrics"]
    target = millicores(metric["resource"]["target"]["averageValue"])
    resources = container["resources"]

    assert (
        millicores(resources["requests"]["cpu"]) < target < millicores(resources["limits"]["cpu"])
    )


def test_one_pod_at_a_time_may_be_taken_from_its_node(objects):
    """So the others serve meanwhile, and a node can be drained at all."""
    unavailable = objects["disruption-budget"]["spec"]["maxUnavailable"]

    assert 1 <= unavailable < objects["autoscaler"]["spec"]["minReplicas"]


def test_the_network_lets_clients_in_at_the_port_and_nothing_out(objects, container):
    """Nothing is sent anywhere."""
    policy = objects["network-policy"]["spec"]
    port = container["ports"][0]

    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": port["containerPort"]}]}]
    assert policy["egress"] == []


def test_the_kustomization_has_every_object_and_its_image(files, container):
    """Its one setting is where the image is."""
    kustomization = yaml.safe_load(files[f"{KUBERNETES}kustomization.yaml"])
    (image,) = kustomization["images"]

    assert {
        f"{KUBERNETES}{name}" for name in (*kustomization["resources"], "kustomization.yaml")
    } == {name for name in files if name.startswith(KUBERNETES)}
    assert image["name"] == image["newName"]
    assert f"{image['newName']}:{image['newTag']}" == container["image"]


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
    """In compose and in the cluster; the service listens there, and for probes at the next."""
    (container,) = parsed(elsewhere)["deployment"]["spec"]["template"]["spec"]["containers"]
    (service,) = yaml.safe_load(elsewhere["deployment/compose.yaml"])["services"].values()

    assert container["ports"] == [
        {"name": "http", "containerPort": 8080},
        {"name": "probes", "containerPort": 8081},
    ]
    assert container["args"] == ["--port", "8080", "--probe-port", "8081"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert service["environment"] == {"PORT": "8080"}


def test_the_compose_service_is_locked_down_as_the_image_is_verified(service):
    """And as the repository's own compose file and the page say."""
    _, about = service
    ours = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]["heart-disease"]
    (tmp,) = HARDENED["tmpfs"].values()

    for options in (about, ours):
        assert options["read_only"] is HARDENED["read_only"]
        assert options["tmpfs"] == [f"/tmp:{tmp}"]  # noqa: S108
        assert options["cap_drop"] == HARDENED["cap_drop"]
        assert options["security_opt"] == ["no-new-privileges:true"]
        assert options["cpus"] * 10**9 == HARDENED["nano_cpus"]
        assert options["mem_limit"] == HARDENED["mem_limit"]
        assert options["pids_limit"] == HARDENED["pids_limit"]
        assert options["stop_grace_period"] == f"{LIMITS.stop_seconds}s"
        assert not {"privileged", "cap_add", "network_mode", "pid", "volumes"} & options.keys()


def test_the_page_locks_the_container_down_as_it_is_verified():
    """In the command that a person types."""
    page = (ROOT / "docs/serving.md").read_text()
    (tmp,) = HARDENED["tmpfs"].values()

    for option in (
        "--read-only",
        f"--tmpfs /tmp:{tmp}",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        f"--cpus {LIMITS.cores}",
        f"--memory {HARDENED['mem_limit']}",
        f"--pids-limit {HARDENED['pids_limit']}",
    ):
        assert option in page
