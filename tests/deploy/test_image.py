"""The image: hadolint looks the Dockerfile through, and what its first stage runs is run, without an engine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from archimage import __version__
from archimage.config import Config
from tests.deploy.environment import settings_of

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/image/Dockerfile"
TEXT = DOCKERFILE.read_text("utf-8").replace("\\\n", " ")
BUILD, FINAL = TEXT.split("\nFROM ")[1:]
BIN = Path(sys.executable).parent


def _instructions(stage: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", stage, re.MULTILINE)


def test_the_dockerfile_is_in_order() -> None:
    checked = subprocess.run(
        [BIN / "hadolint", "--failure-threshold=style", DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_the_checker_does_find_something(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM debian\nRUN apt-get install foo\n")
    assert subprocess.run([BIN / "hadolint", wrong], capture_output=True, check=False).returncode != 0


@pytest.mark.timeout(300)
def test_what_it_runs_makes_an_archive_that_works(tmp_path: Path) -> None:
    """Each COPY takes from the repository what it names, each RUN is run, below another root."""
    source = tmp_path / "source"
    source.mkdir()
    for instruction, rest in re.findall(r"^(COPY|RUN) (.*)$", BUILD, re.MULTILINE):
        if instruction == "RUN":
            command = re.sub(r"--no-cache(-dir)?", "", rest)  # here the cache may stay
            command = re.sub(r"(?<![\w.])/(tools|opt/archimage|wheels)", rf"{tmp_path}/\1", command)
            (tmp_path / "opt").mkdir(exist_ok=True)
            environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
            ran = subprocess.run(
                ["sh", "-ec", command], cwd=source, env=environment, capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, ran.stderr
            continue
        *names, target = rest.split()
        for name in names:
            _copy(ROOT / name, source / target / (name if target == "./" else ""))
    archimage = tmp_path / "opt/archimage/bin/archimage"
    told = subprocess.run([archimage, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert __version__ in told.stdout
    python = tmp_path / "opt/archimage/bin/python"
    places = subprocess.run([python, "-c", "import archimage, hatchling"], capture_output=True, check=False)
    assert places.returncode != 0  # what only builds it is not in it
    assert not (tmp_path / "opt/archimage/bin/pip").exists()


def _copy(found: Path, target: Path) -> None:
    if found.is_dir():
        shutil.copytree(found, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(found, target)


def test_nobody_is_root_in_it() -> None:
    assert _instructions(FINAL, "USER") == ["10001:10001"]
    assert "--uid 10001" in FINAL
    assert FINAL.index("USER") < FINAL.index("ENTRYPOINT")


def test_it_is_ready_when_the_archive_is() -> None:
    (check,) = _instructions(FINAL, "HEALTHCHECK")
    assert "http://127.0.0.1:8042/ready" in check


def test_its_ports_are_the_archives() -> None:
    config = Config()
    ours = {config.dicom.port, config.dicom.tls_port, config.http.port, config.hl7.port}
    assert {int(port) for port in _instructions(FINAL, "EXPOSE")[0].split()} == ours


def test_its_settings_are_ones(tmp_path: Path) -> None:
    config = settings_of(dict(re.findall(r"(ARCHIMAGE__[A-Z0-9_]+)=(\S+)", FINAL)), tmp_path)
    assert (config.storage.directory, config.dicom.host, config.log.format) == (Path("/data"), "0.0.0.0", "json")  # noqa: S104


def test_it_has_the_python_that_the_project_needs() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    versions = re.findall(r"python:(\d+\.\d+)-slim-bookworm", TEXT)
    assert len(versions) == 2
    assert {f">={version}" for version in versions} == {needed}


def test_nothing_but_what_it_is_made_of_is_sent_to_the_engine() -> None:
    allowed = (ROOT / "deploy/image/Dockerfile.dockerignore").read_text("utf-8").split()
    copied = {name for rest in _instructions(BUILD, "COPY") for name in rest.split()[:-1]}
    assert allowed[0] == "*"
    assert {name[1:] for name in allowed if name.startswith("!")} == copied
