"""The worklist with real peers: DCMTK, CTN and others ask us, we ask DCMTK's wlmscpfs, and we read its files."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from archimage.dicom.encode import encode_dataset
from archimage.protocol.uids import IMPLICIT_VR_LITTLE_ENDIAN, MODALITY_WORKLIST_FIND
from tests.attacks.server import wait_until
from tests.interop.javascript import DCMJS, outcome
from tests.interop.peers import free_port, listener, run, serve, tool

_SCRIPT: Final = Path(__file__).with_name("worklist_dcmjs.cjs")
_STEP: Final = "(0040,0100)[0]."
_DUMP: Final = """\
(0008,0005) CS [ISO_IR 100]
(0008,0050) SH [{accession}]
(0010,0010) PN [{name}]
(0010,0020) LO [{patient}]
(0010,0030) DA [19700102]
(0010,0040) CS [F]
(0020,000d) UI [1.2.826.0.1.3680043.2.1545.{number}]
(0032,1060) LO [{what}]
(0040,1001) SH [P{number}]
(0040,0100) SQ (Sequence with undefined length)
  (fffe,e000) na (Item with undefined length)
    (0008,0060) CS [{modality}]
    (0040,0001) AE [{station}]
    (0040,0002) DA [{day}]
    (0040,0003) TM [{hour}]
    (0040,0006) PN [Demo^Physician]
    (0040,0007) LO [{what}]
    (0040,0009) SH [S{number}]
  (fffe,e00d) na (ItemDelimitationItem)
(fffe,e0dd) na (SequenceDelimitationItem)
"""
_PEOPLE: Final = (
    {"accession": "ACC1", "name": "M\u00fcller^J\u00f6rg", "patient": "DEMO-1", "modality": "CT", "station": "CT1"},
    {"accession": "ACC2", "name": "Schmidt^Anna", "patient": "DEMO-2", "modality": "MR", "station": "MR1"},
    {"accession": "ACC3", "name": "Demo^Carla", "patient": "DEMO-3", "modality": "CT", "station": "CT2"},
)


def _write(directory: Path, number: int, **changed: str) -> Path:
    """Write a worklist file with DCMTK's dump2dcm."""
    person: Mapping[str, Any] = {
        **_PEOPLE[number],
        "number": number + 1,
        "what": "Head",
        "day": f"2026120{number + 1}",
        "hour": f"{number + 8:02}30",
        **changed,
    }
    directory.mkdir(parents=True, exist_ok=True)
    dump, made = directory / f"{number}.dump", directory / f"{number}.wl"
    dump.write_text(_DUMP.format(**person), "latin-1")
    answer = run("dump2dcm", "+te", dump, made)
    assert answer.returncode == 0, answer.stdout
    dump.unlink()
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as wlmscpfs has it: below it one for the AE title WORKLIST, with three files and its lock."""
    tool("dump2dcm")
    directory = tmp_path_factory.mktemp("files")
    for number in range(3):
        _write(directory / "WORKLIST", number)
    (directory / "WORKLIST" / "lockfile").touch()
    return directory


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[int]:
    """Our server over that directory; its port."""
    directory = tmp_path_factory.mktemp("worklist")
    settings = directory / "settings.toml"
    settings.write_text(f'[worklist]\ndirectory = "{files}"\n')
    with serve(directory / "data", "--config", str(settings)) as node:
        assert wait_until(lambda: len(_findscu(node.port, "AccessionNumber")) == 3, 20)
        yield node.port


def _findscu(port: int, *keys: str, called: str = "PACS_SCP") -> Sequence[str]:
    """Ask with DCMTK; return the accession numbers that come back."""
    asked = [part for key in ("AccessionNumber", *keys) for part in ("-k", key)]
    answer = run("findscu", "-W", "-aec", called, "127.0.0.1", port, *asked)
    assert answer.returncode == 0, answer.stdout
    return sorted(line.split("[")[1].split("]")[0] for line in answer.stdout.splitlines() if "(0008,0050) SH [" in line)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["PatientName"], ["ACC1", "ACC2", "ACC3"]),
        ([f"{_STEP}ScheduledStationAETitle=CT2"], ["ACC3"]),
        ([f"{_STEP}Modality=CT"], ["ACC1", "ACC3"]),
        ([f"{_STEP}ScheduledProcedureStepStartDate=20261202"], ["ACC2"]),
        ([f"{_STEP}ScheduledProcedureStepStartDate=20261202-"], ["ACC2", "ACC3"]),
        ([f"{_STEP}ScheduledProcedureStepStartTime=0800-0900"], ["ACC1"]),
        ([f"{_STEP}ScheduledPerformingPhysicianName=demo*"], ["ACC1", "ACC2", "ACC3"]),
        (["PatientName=schm*"], ["ACC2"]),
        (["PatientName=mueller^*"], ["ACC1"]),
        (["PatientID=DEMO-3"], ["ACC3"]),
        (["RequestedProcedureID=P1", f"{_STEP}ScheduledProcedureStepID=S1"], ["ACC1"]),
        (["StudyInstanceUID=1.2.826.0.1.3680043.2.1545.2"], ["ACC2"]),
        ([f"{_STEP}Modality=US"], []),
    ],
)
def test_findscu_finds_what_it_asks_for(served: int, keys: Sequence[str], expected: Sequence[str]) -> None:
    assert _findscu(served, *keys) == expected


def test_findscu_asks_for_an_accession_number(served: int) -> None:
    answer = run(
        "findscu", "-W", "-aec", "PACS_SCP", "127.0.0.1", served, "-k", "AccessionNumber=ACC2", "-k", "PatientID"
    )
    assert "DEMO-2" in answer.stdout
    assert "DEMO-1" not in answer.stdout


def test_mwlquery_of_ctn_finds_what_it_asks_for(served: int, tmp_path: Path) -> None:
    wanted, step = Dataset(), Dataset()
    wanted.AccessionNumber = wanted.PatientName = ""
    step.ScheduledStationAETitle, step.Modality = "CT2", ""
    wanted.ScheduledProcedureStepSequence = [step]
    (tmp_path / "query").write_bytes(encode_dataset(wanted, IMPLICIT_VR_LITTLE_ENDIAN))
    answer = run("mwlQuery", "-a", "CT2", "-c", "PACS_SCP", "-f", tmp_path / "query", "127.0.0.1", served).stdout
    assert re.findall(r"^0008 0050 .*//(\w+)", answer, re.MULTILINE) == ["ACC3"]
    assert re.findall(r"^Status: +(\w+)", answer, re.MULTILINE) == ["ff00", "0000"]


def _query(port: int, *options: str, called: str = "PACS_SCP") -> Sequence[Mapping[str, Any]]:
    """Ask with our own command."""
    command = [sys.executable, "-m", "archimage", "worklist", "query", "127.0.0.1", str(port), "-aec", called, "--json"]
    done = subprocess.run([*command, *options], capture_output=True, check=False, timeout=60, text=True)
    assert done.returncode == 0, done.stderr
    found: Sequence[Mapping[str, Any]] = json.loads(done.stdout)
    return sorted(found, key=lambda one: str(one["AccessionNumber"]))


def test_our_command_gets_from_wlmscpfs_what_it_gets_from_us(served: int, files: Path) -> None:
    port = free_port()
    command: list[str | Path | int] = [tool("wlmscpfs"), "-csk", "-dfp", files, port]
    with listener(command, port, files.with_suffix(".log")):
        for options in (
            (),
            ("--station", "MR1"),
            ("--modality", "CT", "--date", "20261202-"),
            ("--patient", "DEMO-1"),
            ("--accession", "ACC2"),
            ("-k", "ScheduledProcedureStepSequence[0].ScheduledProcedureStepStartTime=0900-"),
        ):
            theirs = _query(port, *options, called="WORKLIST")
            assert [_known(one) for one in theirs] == [_known(one) for one in _query(served, *options)]
            assert theirs or "-k" in options


def _known(match: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a match without how its text is encoded, and how far a time is written out."""
    (step,) = match["ScheduledProcedureStepSequence"]
    others = {name: value for name, value in match.items() if name != "SpecificCharacterSet"}
    return {**others, "ScheduledProcedureStepSequence": step}


def test_pynetdicom_agrees_on_names_by_sound_and_on_moments(served: int) -> None:
    ae = AE(ae_title="MR1")
    ae.add_requested_context(MODALITY_WORKLIST_FIND)
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = MODALITY_WORKLIST_FIND, b"\1\1\1\1"
    association = ae.associate("127.0.0.1", served, ae_title="PACS_SCP", ext_neg=[item])
    assert association.acceptor.sop_class_extended == {MODALITY_WORKLIST_FIND: b"\1\1\1\0"}
    query, step = Dataset(), Dataset()
    query.PatientName, query.AccessionNumber = "Smith", ""
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20261201-20261203", "0900-0900"
    query.ScheduledProcedureStepSequence = [step]
    *found, last = association.send_c_find(query, MODALITY_WORKLIST_FIND)
    assert [(status.Status, match.AccessionNumber) for status, match in found if match] == [(0xFF00, "ACC2")]
    assert last[0].Status == 0
    association.release()


def test_pynetdicom_is_told_that_a_private_key_is_not_matched(served: int) -> None:
    ae = AE(ae_title="MR1")
    ae.add_requested_context(MODALITY_WORKLIST_FIND)
    association = ae.associate("127.0.0.1", served, ae_title="PACS_SCP")
    query = Dataset()
    query.PatientID = "DEMO-2"
    query.private_block(0x0009, "DEMO", create=True).add_new(0x01, "UN", b"")
    *found, last = association.send_c_find(query, MODALITY_WORKLIST_FIND)
    association.release()
    assert [status.Status for status, _ in found] == [0xFF01]
    assert last[0].Status == 0


def test_dcmjs_dimse_finds_what_it_asks_for(served: int) -> None:
    step = {"Modality": "", "ScheduledStationAETitle": "MR1", "ScheduledProcedureStepStartDate": ""}
    elements = {"PatientName": "", "PatientID": "", "ScheduledProcedureStepSequence": [step]}
    asked = {"port": served, "calling": "DCMJS", "called": "PACS_SCP", "elements": elements}
    answer = outcome(_SCRIPT, asked, DCMJS)
    assert (answer["status"], len(answer["matches"])) == (0, 1)
    assert answer["matches"][0]["PatientID"] == "DEMO-2"
    (found,) = answer["matches"][0]["ScheduledProcedureStepSequence"]
    assert (found["Modality"], found["ScheduledProcedureStepStartDate"]) == ("MR", "20261202")


def test_the_directory_is_followed(tmp_path: Path) -> None:
    tool("dump2dcm")
    files = tmp_path / "files"
    _write(files, 0)
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[worklist]\ndirectory = "{files}"\nlook_every_s = 0.2\n')
    with serve(tmp_path / "data", "--config", str(settings)) as node:
        assert wait_until(lambda: _findscu(node.port) == ["ACC1"], 20)
        _write(files, 1)
        (files / "broken.wl").write_bytes(b"nothing")
        assert wait_until(lambda: _findscu(node.port) == ["ACC1", "ACC2"], 20)
        _write(files, 0, accession="ACC9")
        assert wait_until(lambda: _findscu(node.port) == ["ACC2", "ACC9"], 20)
        (files / "1.wl").unlink()
        assert wait_until(lambda: _findscu(node.port) == ["ACC9"], 20)
    assert "broken.wl" in (tmp_path / "data.log").read_text()


def _is_told(port: int, accession: str) -> bool:
    return _findscu(port) == [accession]


def test_the_directory_is_what_it_was_after_a_restart(tmp_path: Path) -> None:
    tool("dump2dcm")
    files = tmp_path / "files"
    _write(files, 0)
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[worklist]\ndirectory = "{files}"\nlook_every_s = 0.2\n')
    for number, expected in enumerate(("ACC1", "ACC2")):
        with serve(tmp_path / "data", "--config", str(settings)) as node:
            assert wait_until(partial(_is_told, node.port, expected), 20)
        (files / f"{number}.wl").unlink()
        _write(files, number + 1)
