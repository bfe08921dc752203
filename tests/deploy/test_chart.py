"""The Helm chart: rendered by Helm itself, and what comes out is valid by the schemas of Kubernetes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm_python.chart import Chart, lint
from helm_python.errors import HelmValuesError
from kubernetes_validate.utils import ValidationError, latest_version, validate

from archimage import __version__
from archimage.config import Config
from tests.deploy.environment import settings_of

CHART = Path(__file__).parents[2] / "deploy/helm/archimage"
KUBERNETES = ("1.27", latest_version())
EVERYTHING: dict[str, Any] = {
    "image": {"tag": "1.2", "pullSecrets": ["registry"]},
    "objectStore": {"endpoint": "https://store:9000", "region": "eu-1", "keyId": "key", "secret": "store"},
    "spool": {"storageClass": "fast"},
    "tls": {"secret": "certificate"},
    "hl7": {"enabled": True},
    "proxyFrom": ["10.0.0.1", "10.0.1.0/24"],
    "service": {"type": "ClusterIP", "annotations": {"a": "b"}},
    "ingress": {"enabled": True, "className": "nginx", "host": "pacs.example", "tlsSecret": "web"},
    "networkPolicy": {"dicomFrom": ["10.0.0.7", "2001:db8::7", "10.1.0.0/16"], "webFromNamespaces": ["web"]},
    "autoscaling": {"enabled": True, "maxReplicas": 9},
    "settings": {"ARCHIMAGE__DICOM__AE_TITLE": "HOSPITAL"},
    "podAnnotations": {"c": "d"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "pacs", "operator": "Exists"}],
}
LITTLE: dict[str, Any] = {
    "networkPolicy": {"enabled": False},
    "service": {"type": "NodePort"},
    "settings": {},
    "replicas": 1,
}


def _rendered(values: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    for path, text in Chart.load(CHART).render(dict(values or {}), name="pacs", namespace="radiology").items():
        if path.endswith(".yaml"):
            yield from (one for one in yaml.safe_load_all(text) if one)


def _only(kind: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    (found,) = (one for one in _rendered(values) if one["kind"] == kind)
    return found


def _pod(values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    pod: dict[str, Any] = _only("StatefulSet", values)["spec"]["template"]["spec"]
    return pod


def _environment(container: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


@pytest.mark.parametrize("values", [None, EVERYTHING, LITTLE])
def test_what_comes_out_is_valid(values: dict[str, Any] | None) -> None:
    kinds = set()
    for one in _rendered(values):
        for version in KUBERNETES:
            validate(one, version, strict=True)
        kinds.add(one["kind"])
    assert {"StatefulSet", "Service", "PodDisruptionBudget", "ServiceAccount"} <= kinds
    assert ("NetworkPolicy" in kinds) == (values is not LITTLE)
    assert ("HorizontalPodAutoscaler" in kinds) == ("Ingress" in kinds) == (values is EVERYTHING)


def test_helm_finds_nothing_to_say() -> None:
    told = lint(CHART, EVERYTHING, strict=True)
    assert not told["errors"]
    assert [one["error"] for one in told["messages"]] == ["icon is recommended"]


def test_validation_would_find_something() -> None:
    wrong = _only("StatefulSet")
    wrong["spec"]["replica"] = 3
    with pytest.raises(ValidationError):
        validate(wrong, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 0},
        {"replicaCount": 3},
        {"index": {"url": "postgresql://archimage:password@host/db"}},
        {"index": {"url": "sqlite:///index.db"}},
        {"objectStore": {"mode": "sometimes"}},
        {"settings": {"DICOM__PORT": "1"}},
        {"proxyFrom": ["balancer"]},
    ],
)
def test_values_that_cannot_be_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(HelmValuesError):
        Chart.load(CHART).validate_schema(values)


@pytest.mark.parametrize("values", [None, EVERYTHING])
def test_every_container_is_confined(values: dict[str, Any] | None) -> None:
    pod = _pod(values)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["initContainers"], *pod["containers"]):
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"] is True
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("values", [None, EVERYTHING])
def test_secrets_are_files_that_are_mounted(values: dict[str, Any] | None) -> None:
    pod = _pod(values)
    volumes = {one["name"] for one in pod["volumes"]} | {"spool"}
    for container in (*pod["initContainers"], *pod["containers"]):
        mounted = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert set(mounted.values()) <= volumes
        for name, value in _environment(container).items():
            assert not name.endswith(("PASSWORD", "SECRET")), name
            if value.startswith("/run/secrets/"):
                assert str(Path(value).parent) in mounted


def test_settings_are_ones(tmp_path: Path) -> None:
    config = settings_of(_environment(_pod(EVERYTHING)["containers"][0]), tmp_path)
    assert config.dicom.proxy_from == ("10.0.0.1", "10.0.1.0/24")
    assert (config.dicom.ae_title, config.hl7.enabled) == ("HOSPITAL", True)
    assert config.http.public_url == "https://pacs.example"
    assert config.tls.certificate == "/run/secrets/tls/tls.crt"


def test_ports_and_probes_are_the_archives() -> None:
    config = Config()
    container = _pod(EVERYTHING)["containers"][0]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {
        "dicom": config.dicom.port,
        "dicom-tls": config.dicom.tls_port,
        "http": config.http.port,
        "hl7": config.hl7.port,
    }
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/live", "port": "http"}
    services = [one for one in _rendered(EVERYTHING) if one["kind"] == "Service"]
    assert {port["targetPort"] for one in services for port in one["spec"]["ports"]} == set(ports)


def test_who_stops_has_the_time_that_associations_get() -> None:
    pod = _pod({"graceSeconds": 120})
    assert _environment(pod["containers"][0])["ARCHIMAGE__DICOM__GRACE_S"] == "120"
    assert pod["terminationGracePeriodSeconds"] == 150


def test_a_single_address_is_a_network_of_one() -> None:
    policy = _only("NetworkPolicy", EVERYTHING)["spec"]["ingress"][0]["from"]
    assert [one["ipBlock"]["cidr"] for one in policy] == ["10.0.0.7/32", "2001:db8::7/128", "10.1.0.0/16"]


def test_it_is_of_this_release() -> None:
    assert str(Chart.load(CHART).metadata["appVersion"]) == __version__
    assert _pod()["containers"][0]["image"] == f"archimage:{__version__}"
