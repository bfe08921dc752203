"""`archimage config` and `archimage openapi`: what a server would run with, and what it would answer, without one."""

import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from archimage.config import Config
from archimage.settings import load
from tests.attacks.server import running
from tests.cli.conftest import Invoke


def test_show_tells_each_setting_with_its_source(
    archimage: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "archimage.toml").write_text("[nodes.WS]\nhost = 'ws'\nport = 104\n")
    monkeypatch.setenv("ARCHIMAGE__DICOM__AE_TITLE", "MINE")
    found = {one["name"]: one for one in archimage("config", "show", "--data", tmp_path, "--json").json}
    assert (found["dicom.ae_title"]["value"], found["dicom.ae_title"]["source"]) == ("MINE", "environment")
    assert found["nodes.WS.port"]["source_name"] == str(tmp_path / "archimage.toml")
    assert (found["storage.directory"]["source"], found["http.port"]["source"]) == ("flag", "default")
    text = archimage("config", "show", "--data", tmp_path).out
    assert re.search(r'dicom\.ae_title +│ "MINE" +│ environment ARCHIMAGE__DICOM__AE_TITLE', text)


def test_init_writes_a_file_that_changes_nothing_until_it_is_changed(archimage: Invoke, tmp_path: Path) -> None:
    written = tmp_path / "data" / "archimage.toml"
    assert archimage("config", "init", "--data", tmp_path / "data").code == 0
    text = written.read_text("utf-8")
    assert load({}, {}, written) == Config()
    settings = text.partition("\n# Tables")[0]
    active = tomllib.loads(re.sub(r"(?m)^# (\w+ = )", r"\1", settings))
    shown = Config().model_dump(mode="json")
    del (
        shown["nodes"],
        shown["tiers"],
        shown["storage"]["compress"],
        shown["log"]["levels"],
        shown["tls"]["peers"],
        shown["access"]["oidc"]["roles"],
        shown["worklist"]["stations"],
        shown["print"]["queues"],
        shown["routing"]["authorization"],
        shown["routing"]["archives"],
    )
    assert active == shown
    tables = load({}, {}, _uncommented(tmp_path, text.partition("may call.\n")[2]))
    assert (tables.log.levels, tables.tls.peers) == ({"dimse": "debug"}, {"CT1": "ct1.hospital.example"})
    assert (tables.worklist.stations, tables.print.queues) == ({"CT": ("CT1",)}, {"FILMS": "dry-imager"})
    assert tables.tiers["warm"].directory == "/mnt/archive"
    assert tables.routing.archives["CLOUD"].address == "https://pacs.example/dicom-web"
    assert (tables.storage.compress, tables.nodes["WORKSTATION"].port) == ({"CT": "htj2k-lossless", "*": "none"}, 104)


def _uncommented(directory: Path, text: str) -> Path:
    file = directory / "tables.toml"
    file.write_text(re.sub(r"(?m)^# ", "", text))
    return file


def test_init_overwrites_only_when_it_is_told_to(archimage: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[dicom]\nport = 1\n")
    refused = archimage("config", "init", "--config", file)
    assert (refused.code, "--force" in refused.err) == (2, True)
    assert file.read_text() == "[dicom]\nport = 1\n"
    assert archimage("config", "init", "--config", file, "--force").code == 0
    assert load({}, {}, file) == Config()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_init_says_where_it_cannot_write(archimage: Invoke, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = archimage("config", "init", "--config", tmp_path / "file" / "archimage.toml")
    assert (result.code, "cannot be written" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[dicom]\nport = 104\n", 0, "in order: 1 given"),
        ("[dicom]\nport = 'many'\n[http]\nprot = 1\n", 2, "dicom.port = 'many': .*; http.prot is not a setting"),
        ("[dicom\n", 2, "is not TOML"),
    ],
)
def test_check_says_what_is_wrong(archimage: Invoke, tmp_path: Path, text: str, code: int, said: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    result = archimage("config", "check", "--config", file)
    assert result.code == code
    assert re.search(said, result.err)


def test_check_reads_the_environment_as_a_process(tmp_path: Path) -> None:
    environment = {**os.environ, "ARCHIMAGE__DICOM__PORT": "99999"}
    command = [sys.executable, "-m", "archimage", "config", "check"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, "dicom.port = '99999'" in ended.stderr) == (2, True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_tells_its_settings_and_what_describes_it(archimage: Invoke, tmp_path: Path, workers: str) -> None:
    with running(tmp_path / "data", ["--workers", workers], {"query__max_results": 77}) as server:

        def ask(path: str) -> object:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=20) as answer:
                return json.load(answer)

        found = {one["name"]: (one["value"], one["source"], one["source_name"]) for one in ask("/api/v1/settings")}  # type: ignore[attr-defined]
        dicomweb, management = ask("/openapi.json"), ask("/api/v1/openapi.json")
    assert found["query.max_results"] == (77, "environment", "ARCHIMAGE__QUERY__MAX_RESULTS")
    assert found["dicom.port"] == (0, "flag", "--dicom-port")
    assert found["dicom.workers"] == (int(workers), "flag", "--workers")
    assert found["http.host"] == ("127.0.0.1", "default", "")
    assert archimage("openapi", "--dicomweb").json == dicomweb
    assert archimage("openapi", "--management").json == management


def test_openapi_describes_everything_in_one(archimage: Invoke) -> None:
    parts = [archimage("openapi", option).json for option in ("--dicomweb", "--management")]
    whole = archimage("openapi").json
    assert set(whole["paths"]) == {path for part in parts for path in part["paths"]}
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(whole)))
    assert referred <= set(whole["components"]["schemas"])
    names = [one["operationId"] for methods in whole["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))
    assert archimage("openapi", "--dicomweb", "--management").code == 2
