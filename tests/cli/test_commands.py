"""The commands that talk to a peer, against our own server in another process."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pydicom
import pytest

from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.net.conversation import RemoteNode
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import CT
from tests.cli.conftest import Invoke
from tests.interop.peers import free_port, serve


@pytest.fixture
def filled(archimage: Invoke, server: RemoteNode, studies: Path) -> RemoteNode:
    """The server with the demo studies in it."""
    assert archimage("store", server.host, server.port, studies).code == 0
    return server


def study_uid(archimage: Invoke, node: RemoteNode, patient_id: str) -> str:
    """Ask for the study of a patient."""
    (match,) = archimage("find", node.host, node.port, "-k", f"PatientID={patient_id}", "--json").json
    return str(match["StudyInstanceUID"])


def test_echo_tells_who_answered(archimage: Invoke, server: RemoteNode) -> None:
    result = archimage("echo", server.host, server.port)
    assert (result.code, result.out) == (0, "")
    assert "PACS_SCP at 127.0.0.1" in result.err
    answer = archimage("echo", server.host, server.port, "--json").json
    assert (answer["status"], answer["ae_title"]) == (0, "PACS_SCP")


def test_nobody_listening_is_exit_code_3_and_says_where(archimage: Invoke, tmp_path: Path, studies: Path) -> None:
    port = free_port()
    for command in (
        ("echo", "127.0.0.1", port),
        ("find", "127.0.0.1", port),
        ("move", "127.0.0.1", port, "--dest", "X", "-k", "StudyInstanceUID=1.2"),
        ("get", "127.0.0.1", port, "-k", "StudyInstanceUID=1.2", "-o", tmp_path),
        ("store", "127.0.0.1", port, studies),
    ):
        result = archimage(*command)
        assert result.code == 3
        assert f"PACS_SCP at 127.0.0.1:{port}" in result.err


def test_a_peer_that_hangs_up_is_a_network_failure(archimage: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.close()
        assert archimage("echo", "127.0.0.1", port).code == 3


def test_a_rejected_association_is_exit_code_1_and_says_why(archimage: Invoke, server: RemoteNode) -> None:
    result = archimage("echo", server.host, server.port, "-aec", "OTHER", "-aet", "ME")
    assert result.code == 1
    assert "OTHER" in result.err
    assert "ME" in result.err
    assert "called AE title" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("find", "HOST", "PORT", "-k", "NoSuchKeyword=1"),
        ("find", "HOST", "PORT", "-L", "FRAME"),
        ("find", "HOST", "PORT", "--model", "worklist"),
        ("find", "HOST", "PORT", "-aec", "A\\B"),
        ("find", "HOST", "PORT", "-aet", "SEVENTEEN_LETTERS"),
        ("move", "HOST", "PORT", "-k", "StudyInstanceUID=1"),
        ("store", "HOST", "PORT", "/no/such/path"),
        ("echo", "HOST"),
        ("echo", "HOST", "0"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_exit_code_2(archimage: Invoke, server: RemoteNode, arguments: tuple[str, ...]) -> None:
    words = {"HOST": server.host, "PORT": server.port}
    assert archimage(*(words.get(word, word) for word in arguments)).code == 2


def test_store_walks_folders_and_counts(archimage: Invoke, server: RemoteNode, studies: Path) -> None:
    counts = archimage("store", server.host, server.port, studies, "--jobs", 3, "--json").json
    assert (counts["stored"], counts["skipped"], counts["refused"], counts["failed"]) == (10, 1, 0, 0)
    assert counts["problems"] == []


def test_a_peer_that_takes_one_association_gets_everything_over_that(
    archimage: Invoke, studies: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "one.toml"
    settings.write_text("[dicom]\nmax_associations = 1\n")
    with serve(tmp_path / "data", "--config", str(settings)) as node:
        result = archimage("store", node.host, node.port, studies, "--json")
        assert (result.code, result.json["stored"]) == (0, 10)
        assert "rejected" not in result.err


def test_store_names_what_the_peer_refused_and_ends_with_1(
    archimage: Invoke, filled: RemoteNode, studies: Path, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(studies / "part0" / "0.dcm")
    ds.PatientName = "Another"
    ds.save_as(tmp_path / "changed.dcm")
    result = archimage("store", filled.host, filled.port, tmp_path, studies)
    assert result.code == 1
    assert "changed.dcm" in result.err
    assert "0x0111" in result.err


def test_store_counts_broken_files_as_failed(archimage: Invoke, server: RemoteNode, tmp_path: Path) -> None:
    (tmp_path / "broken.dcm").write_bytes(bytes(128) + b"DICM")
    result = archimage("store", server.host, server.port, tmp_path, "--json")
    assert result.code == 1
    assert result.json["failed"] == 1
    assert "broken.dcm" in result.json["problems"][0]["file"]


def test_find_shows_a_table_or_json(archimage: Invoke, filled: RemoteNode) -> None:
    table = archimage("find", filled.host, filled.port, "-L", "STUDY", "-k", "PatientName=demo^ct")
    assert table.code == 0
    assert "Demo^CT" in table.out
    assert "Demo^MR" not in table.out
    matches = archimage("find", filled.host, filled.port, "-k", "0010,0020=DEMO-*", "-k", "StudyTime", "--json").json
    assert {match["PatientID"] for match in matches} == {"DEMO-CT", "DEMO-MR", "DEMO-CR", "DEMO-US"}
    assert all(match["StudyTime"] for match in matches)


def test_find_asks_at_every_level_of_both_models(archimage: Invoke, filled: RemoteNode) -> None:
    uid = study_uid(archimage, filled, "DEMO-CT")
    patients = archimage("find", filled.host, filled.port, "-L", "PATIENT", "--model", "patient", "--json").json
    assert len(patients) == 4
    keys = ["-k", f"StudyInstanceUID={uid}"]
    (series,) = archimage("find", filled.host, filled.port, "-L", "series", *keys, "-k", "Modality=CT", "--json").json
    assert series["Modality"] == "CT"
    keys += ["-k", f"SeriesInstanceUID={series['SeriesInstanceUID']}"]
    assert len(archimage("find", filled.host, filled.port, "-L", "IMAGE", *keys, "--json").json) == 2


def test_get_writes_what_was_stored(archimage: Invoke, filled: RemoteNode, studies: Path, tmp_path: Path) -> None:
    uid = study_uid(archimage, filled, "DEMO-CT")
    counts = archimage("get", filled.host, filled.port, "-k", f"StudyInstanceUID={uid}", "-o", tmp_path, "--json").json
    assert (counts["completed"], counts["failed"], counts["status"]) == (4, 0, 0)
    written = {file.name: pydicom.dcmread(file) for file in tmp_path.iterdir()}
    sent = [pydicom.dcmread(studies / f"part{number % 2}" / f"{number}.dcm") for number in range(4)]
    assert set(written) == {f"{ds.SOPInstanceUID}.dcm" for ds in sent}
    assert all(written[f"{ds.SOPInstanceUID}.dcm"] == ds for ds in sent)


def test_get_of_nothing_is_done(archimage: Invoke, server: RemoteNode, tmp_path: Path) -> None:
    result = archimage("get", server.host, server.port, "-k", "StudyInstanceUID=1.2.3", "-o", tmp_path, "--json")
    assert (result.code, result.json["completed"]) == (0, 0)
    assert not list(tmp_path.iterdir())


def test_move_to_an_unknown_destination_is_refused(archimage: Invoke, filled: RemoteNode) -> None:
    key = f"StudyInstanceUID={study_uid(archimage, filled, 'DEMO-MR')}"
    result = archimage("move", filled.host, filled.port, "--dest", "NOWHERE", "-k", key)
    assert result.code == 1
    assert "0xA801" in result.err
    assert "NOWHERE" in result.err


def test_demo_sends_studies_to_a_peer(archimage: Invoke, server: RemoteNode) -> None:
    counts = archimage("demo", server.host, server.port, "--slices", 2, "--json").json
    assert (counts["stored"], counts["failed"]) == (10, 0)
    assert archimage("demo", server.host).code == 2


def test_a_large_file_is_streamed_whole(archimage: Invoke, server: RemoteNode, studies: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(studies / "part0" / "0.dcm")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = ds.StudyInstanceUID = pydicom.uid.generate_uid()
    ds.NumberOfFrames = 70
    ds.PixelData = bytes(range(256)) * (70 * 512 * 2 * 2)
    ds.save_as(tmp_path / "large.dcm")
    assert archimage("store", server.host, server.port, tmp_path / "large.dcm", "--json").json["stored"] == 1
    got = tmp_path / "got"
    key = f"StudyInstanceUID={ds.StudyInstanceUID}"
    assert archimage("get", server.host, server.port, "-k", key, "-o", got, "--json").json["completed"] == 1
    assert pydicom.dcmread(got / f"{ds.SOPInstanceUID}.dcm") == ds


def test_a_peer_that_goes_away_leaves_every_file_counted(archimage: Invoke, studies: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hear_the_request_and_go() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)

        closer = threading.Thread(target=hear_the_request_and_go)
        closer.start()
        result = archimage("store", "127.0.0.1", listener.getsockname()[1], studies, "--json")
        closer.join()
    assert result.code == 3
    assert (result.json["failed"], result.json["skipped"]) == (10, 1)
    assert all("not sent" in problem["reason"] for problem in result.json["problems"])


_LOADED = """
import sys
from archimage.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert ended.code == 3, ended.code
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.parametrize("command", ["echo", "store"])
def test_a_command_loads_neither_codecs_nor_the_server(tmp_path: Path, command: str) -> None:
    file = tmp_path / "one.dcm"
    uid = new_uid()
    file.write_bytes(encode_file_meta(FileMeta(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN)) + dataset(uid))
    arguments = [command, "127.0.0.1", str(free_port()), *([str(file)] if command == "store" else [])]
    program = [sys.executable, "-c", _LOADED, *arguments]
    loaded = subprocess.run(program, capture_output=True, text=True, timeout=30, check=True).stdout.split()
    assert "archimage" in loaded
    assert set(loaded) & {"pydicom", "numpy", "PIL", "rich", "sqlalchemy", "starlette", "uvicorn", "fastapi"} == set()
