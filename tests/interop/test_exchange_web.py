"""Archives made alike over the web alone: with another of our own, and with Orthanc's DICOMweb plugin."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.attacks.server import running, wait_until
from tests.interop.orthanc import run_orthanc
from tests.interop.peers import free_port, missing
from tests.interop.routed import WITHIN_S, archimage, routing, send, settings, study, study_uid
from tests.interop.test_exchange import ANYONE, kept

_PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def _named(path: Path, address: str, *rules: str) -> Path:
    return settings(path, *rules, more=f'[routing.archives.WEB]\naddress = "{address}"')


def _copied(told: dict[str, Any]) -> tuple[int, int]:
    return sum(one["sent"] for one in told["copied"]), sum(one["fetched"] for one in told["copied"])


def test_two_archives_become_alike_over_the_web(tmp_path: Path) -> None:
    """A study here alone, one there alone, and one of which each has another instance alone."""
    here, there, both = (study(tmp_path / name, number, count) for number, name, count in _STUDIES)
    mine = tmp_path / "data" / "a"
    (tmp_path / "both" / f"{study_uid(3)}.1.1.dcm").rename(tmp_path / "here" / "one.dcm")
    with running(tmp_path / "data" / "b", settings=ANYONE) as other:
        send(other, tmp_path / "there")
        send(other, tmp_path / "both")
        (tmp_path / "both" / f"{study_uid(3)}.1.2.dcm").unlink()
        archimage("import", tmp_path / "here", tmp_path / "both", "--data", mine)
        address = f"http://127.0.0.1:{other.http_port}/dicom-web"
        told = json.loads(archimage("sync", address, "--data", mine, "--json", "--dry-run", "--deep", code=1))
        assert [one["study_instance_uid"] for one in told["only_here"]] == [study_uid(1)]
        assert [one["study_instance_uid"] for one in told["only_there"]] == [study_uid(2)]
        assert [(one["here"], one["there"]) for one in told["differing"]] == [(3, 3)]
        config = _named(tmp_path / "a.toml", address)
        arguments = ("sync", "WEB", "--data", mine, "--config", config, "--json", "--deep")
        assert _copied(json.loads(archimage(*arguments))) == (3, 4)
        assert kept(other) == {*here, *there, *both}
        again = json.loads(archimage(*arguments, "--dry-run"))
        assert (again["same"], again["only_here"], again["only_there"], again["differing"]) == (3, [], [], [])
    asked = ("audit", "search", "--study", study_uid(1), "--text", "127.0.0.1", "--data", mine, "--json")
    events = [entry["meaning"] for entry in json.loads(archimage(*asked))["entries"]]
    assert {"Begin Transferring DICOM Instances", "DICOM Instances Transferred"} <= set(events), events


_STUDIES: Final = ((1, "here", 2), (2, "there", 3), (3, "both", 4))


def test_a_rule_stores_at_an_archive_by_its_name(tmp_path: Path) -> None:
    wanted = study(tmp_path / "in", 1, 2)
    with running(tmp_path / "data" / "b", settings=ANYONE) as other:
        address = f"http://127.0.0.1:{other.http_port}/dicom-web"
        config = _named(tmp_path / "a.toml", address, 'name = "on"\nactions = "stow:WEB"')
        with routing(tmp_path / "data" / "a", config) as server:
            send(server, tmp_path / "in")
            assert wait_until(lambda: kept(other) == set(wanted), WITHIN_S), server.log


def test_orthanc_and_ours_become_alike_over_the_web(tmp_path: Path) -> None:
    if not _PLUGIN.exists():
        missing("Orthanc's DICOMweb plugin is missing: apt-get install orthanc-dicomweb")
    here, there = (study(tmp_path / name, number, count) for number, name, count in _STUDIES[:2])
    mine = tmp_path / "data" / "a"
    archimage("import", tmp_path / "here", "--data", mine)
    web = {"Plugins": [str(_PLUGIN)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    (tmp_path / "orthanc").mkdir()
    with run_orthanc(tmp_path / "orthanc", free_port(), web) as orthanc:
        for path in (tmp_path / "there").iterdir():
            orthanc.ask("/instances", path.read_bytes())
        address = f"http://127.0.0.1:{orthanc.http_port}/dicom-web"
        told = json.loads(archimage("sync", address, "--data", mine, "--json"))
        assert (_copied(told), told["same"]) == ((2, 3), 0), told
        again = json.loads(archimage("sync", address, "--data", mine, "--json", "--dry-run", "--deep"))
        assert (again["same"], again["only_here"], again["only_there"], again["differing"]) == (2, [], [], [])
        assert len(orthanc.ask("/instances")) == len(here) + len(there)


def test_an_archive_that_does_not_answer_is_told(tmp_path: Path) -> None:
    arguments = ("sync", f"http://127.0.0.1:{free_port()}/dicom-web", "--data", tmp_path / "a")
    with pytest.raises(AssertionError, match="could not be asked"):
        archimage(*arguments)
