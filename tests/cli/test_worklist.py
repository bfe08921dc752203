"""`archimage worklist`, in an archive on this machine and at one that is served."""

from pathlib import Path

from archimage.dicom.part10 import FileMeta, write_part10
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.datasets import Model, attribute, encode
from tests.cli.conftest import Invoke
from tests.interop.peers import serve
from tests.scheduled import order, step

_STEPS = 0x00400100


def _add(archimage: Invoke, data: Path, accession: str, *more: str) -> str:
    who = ("--patient", "DEMO-1", "--name", "Demo^Anna", "--modality", "CT", "--accession", accession)
    when = ("--date", "20991201", "--time", "0900", "--station", "CT1", "--description", "Head")
    added = archimage("worklist", "add", *who, *when, *more, "--data", data)
    assert added.code == 0, added.err
    return added.out.strip()


def _write(path: Path, model: Model) -> Path:
    with path.open("wb") as file:
        meta = FileMeta("1.2.840.10008.5.1.4.31", "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN)
        write_part10(file, meta, [encode(model, EXPLICIT_VR_LITTLE_ENDIAN)])
    return path


def test_entries_are_added_listed_followed_and_removed(archimage: Invoke, tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = _add(archimage, data, "ACC1")
    assert _add(archimage, data, "ACC1", "--birth-date", "19700102", "--sex", "F") == key
    other = _add(archimage, data, "ACC2", "--station", "CT2")
    assert archimage("worklist", "state", key, "completed", "--data", data).err == f"{key} is completed\n"
    (listed,) = archimage("worklist", "list", "--state", "completed", "--json", "--data", data).json
    assert (listed["key"], listed["is_told"], listed["fields"]["patient_sex"]) == (key, False, "F")
    shown = archimage("worklist", "list", "--station", "CT2", "--text", "ANNA", "--data", data).out
    assert (other in shown, key in shown) == (True, False)
    assert archimage("worklist", "show", other, "--data", data).json["dataset"]["00080050"]["Value"] == ["ACC2"]
    assert archimage("worklist", "remove", other, "--data", data).code == 0
    assert archimage("worklist", "show", other, "--data", data).code == 1


def test_what_cannot_be_is_said_in_a_line(archimage: Invoke, tmp_path: Path) -> None:
    data = tmp_path / "data"
    odd = archimage("worklist", "list", "--state", "odd", "--data", data)
    assert (odd.code, "discontinued" in odd.err) == (2, True)
    wrong = archimage("worklist", "list", "--date", "today", "--data", data)
    assert (wrong.code, "today" in wrong.err) == (1, True)
    who = ("--patient", "DEMO-1", "--name", "Demo^Anna", "--modality", "CT", "--date", "20991201", "--time", "0900")
    lacking = archimage("worklist", "add", *who, "--data", data)
    assert (lacking.code, "Scheduled Station AE Title" in lacking.err) == (1, True)


def test_worklist_files_are_imported_and_what_is_none_is_named(archimage: Invoke, tmp_path: Path) -> None:
    files = tmp_path / "files" / "WORKLIST"
    files.mkdir(parents=True)
    _write(files / "one.wl", order("ACC1"))
    steps = attribute(_STEPS, step(), step(station="MR1", modality="MR"))
    _write(files / "two.wl", {**order("ACC2"), **dict([steps])})
    bare = tmp_path / "bare"
    bare.write_bytes(encode(order("ACC3"), EXPLICIT_VR_LITTLE_ENDIAN))
    data = tmp_path / "data"
    imported = archimage("worklist", "import", files.parent, bare, "--data", data)
    assert (imported.code, imported.err) == (0, "4 entries were added\n")
    (tmp_path / "odd.wl").write_bytes(b"nothing")
    failed = archimage("worklist", "import", tmp_path / "odd.wl", "--json", "--data", data)
    assert (failed.code, list(failed.json["problems"])) == (1, [str(tmp_path / "odd.wl")])


def test_a_peer_is_asked(archimage: Invoke, tmp_path: Path) -> None:
    data = tmp_path / "data"
    _add(archimage, data, "ACC1")
    _add(archimage, data, "ACC2", "--station", "CT2")
    with serve(data) as node:
        where = ("worklist", "query", node.host, node.port)
        found = archimage(*where, "--station", "CT2", "--date", "20991201-", "--name", "demo*", "--json").json
        assert [one["AccessionNumber"] for one in found] == ["ACC2"]
        told = archimage(*where, "--accession", "ACC1")
        assert (told.code, told.err.startswith("1 scheduled steps")) == (0, True)
        assert "20991201" in told.out
        wrong = archimage(*where, "-k", "NoSuchKey")
        assert (wrong.code, "NoSuchKey" in wrong.err) == (2, True)
