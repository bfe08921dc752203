"""What is uploaded is kept, or the answer says of each file why not; row 52 of the probes: hostile archives."""

import io
import socket
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from archimage.dicom.demo import demo_files
from archimage.services import uploads
from tests.attacks.datasets import new_uid
from tests.attacks.server import wait_until
from tests.web.serving import Answer, Client, config, serving
from tests.web.stowing import BOUNDARY, image

_FORM = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the archive is."""
    return tmp_path_factory.mktemp("upload")


@pytest.fixture(scope="module")
def client(directory: Path) -> Iterator[Client]:
    """An empty server."""
    with serving(config(directory)) as found:
        yield found


def form(files: Mapping[str, bytes]) -> bytes:
    """Write a form as a browser does."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in files.items()
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def upload(client: Client, files: Mapping[str, bytes]) -> Answer:
    """Upload files as a form."""
    return client.ask("/api/v1/upload", "POST", form(files), Content_Type=_FORM)


def archive(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a ZIP archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return packed.getvalue()


def incoming(directory: Path) -> list[Path]:
    """Return what is on its way in."""
    return [path for path in (directory / "incoming").rglob("*") if path.is_file()]


def test_of_each_file_it_is_told_what_became_of_it(client: Client) -> None:
    first, second = new_uid(), new_uid()
    broken = image(new_uid())[:200]
    files = {
        "folder/IM 1": image(first),
        "folder/deeper/IM 2": image(second),
        "folder/again": image(first),
        "folder/DICOMDIR": b"\0" * 128 + b"DICM" + b"\0" * 64,
        "notes.txt": b"no image",
        "empty": b"",
        "broken": broken,
    }
    answer = upload(client, files)
    assert answer.status == 200
    told = {file["name"]: file for file in answer.json["files"]}
    assert {name: file["fate"] for name, file in told.items()} == {
        "folder/IM 1": "stored",
        "folder/deeper/IM 2": "stored",
        "folder/again": "duplicate",
        "folder/DICOMDIR": "ignored",
        "notes.txt": "ignored",
        "empty": "ignored",
        "broken": "refused",
    }
    assert told["folder/IM 1"]["sop_instance_uid"] == first
    assert all(file["reason"] for file in told.values() if file["fate"] in {"ignored", "refused"})
    assert (answer.json["stored"], answer.json["duplicate"], answer.json["refused"]) == (2, 1, 1)
    assert client.ask(f"/api/v1/instances/{second}").status == 200


def test_large_files_in_many_pieces_are_kept(client: Client) -> None:
    files = {f"{number}.dcm": data for number, data in enumerate(demo_files(slices=4))}
    body = form(files)
    pieces = (body[start : start + 70_001] for start in range(0, len(body), 70_001))
    answer = client.ask("/api/v1/upload", "POST", pieces, Content_Type=_FORM)
    assert answer.json["stored"] == len(files)
    assert answer.json["size_bytes"] == sum(map(len, files.values()))


def test_the_members_of_an_archive_are_kept(client: Client, directory: Path) -> None:
    uid = new_uid()
    packed = archive({"a/IM1": image(uid), "readme.txt": b"text"})
    (kept, passed) = upload(client, {"study.zip": packed}).json["files"]
    assert (kept["name"], kept["fate"]) == ("study.zip!a/IM1", "stored")
    assert passed["fate"] == "ignored"
    assert client.ask(f"/api/v1/instances/{uid}").status == 200
    assert not incoming(directory)


def test_a_large_archive_is_unpacked_by_a_task(
    client: Client, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE_BYTES", 0)
    answer = upload(client, {"study.zip": archive({"IM1": image(new_uid()), "bad": image(new_uid())[:250]})})
    assert answer.status == 202
    (file,) = answer.json["files"]
    assert file["fate"] == "accepted"
    path = f"/api/v1/tasks/{file['task']}"
    assert wait_until(lambda: client.ask(path).json["state"] == "done", 20)
    result = client.ask(path).json["result"]
    assert (result["stored"], result["refused"]) == (1, 1)
    assert result["problems"][0]["name"] == "study.zip!bad"
    assert not incoming(directory)


def test_one_file_may_be_the_whole_body(client: Client) -> None:
    answer = client.ask("/api/v1/upload?name=x.dcm", "POST", image(new_uid()), Content_Type="application/dicom")
    assert [(file["name"], file["fate"]) for file in answer.json["files"]] == [("x.dcm", "stored")]


def _bomb() -> bytes:
    return archive({"bomb": b"\0" * (80 << 20)}, zipfile.ZIP_LZMA)


def _forged() -> bytes:
    """Make an archive whose member claims to be small."""
    packed = bytearray(archive({"IM1": image(new_uid())}))
    at = packed.rfind(b"PK\x01\x02") + 24
    packed[at : at + 4] = (10).to_bytes(4, "little")
    return bytes(packed)


@pytest.mark.parametrize(
    "packed",
    [_bomb(), _forged(), b"PK\x03\x04" + b"\0" * 200, archive({"a": image("1.2.3")})[:-30]],
    ids=["bomb", "forged size", "no directory", "cut short"],
)
def test_an_archive_that_lies_is_refused_and_leaves_nothing(client: Client, directory: Path, packed: bytes) -> None:
    answer = upload(client, {"evil.zip": packed})
    assert answer.status == 200
    assert [file["fate"] for file in answer.json["files"]] == ["refused"]
    assert not incoming(directory)


def test_names_reach_nothing_and_come_back_plain(client: Client, directory: Path) -> None:
    names = [
        "../../evil.dcm",
        "/etc/passwd",
        "a%22%0D%0AX: y",
        "<script>alert(1)</script>",
        "\u202egnp.mcd",
        "x" * 5000,
    ]
    answer = upload(client, {name: image(new_uid()) for name in names})
    told = [file["name"] for file in answer.json["files"]]
    assert answer.json["stored"] == len(names)
    assert all(name.isprintable() and len(name) <= 1024 for name in told)
    assert not list(directory.parent.rglob("evil.dcm"))


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", _FORM, 400),
        (f"--{BOUNDARY}--\r\n".encode(), _FORM, 400),
        (form({"a": b"x"})[:-10], _FORM, 400),
        (form({"a": b"x"}), "multipart/form-data", 400),
        (b"x", "text/plain", 415),
        (b"x", "", 415),
    ],
)
def test_a_body_that_is_no_upload_is_refused(client: Client, body: bytes, kind: str, status: int) -> None:
    assert client.ask("/api/v1/upload", "POST", body, Content_Type=kind).status == status


def test_fields_of_a_form_are_passed_over(client: Client) -> None:
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\ntext\r\n'.encode()
    answer = client.ask("/api/v1/upload", "POST", field + form({"a": image(new_uid())}), Content_Type=_FORM)
    assert [file["fate"] for file in answer.json["files"]] == ["stored"]


def test_an_upload_that_breaks_off_keeps_what_was_whole(client: Client, directory: Path) -> None:
    uid = new_uid()
    body = form({"a": image(uid), "b": image(new_uid(), pixels=bytes(3_000_000))})[:-200_000]
    told = f"Content-Type: {_FORM}\r\nContent-Length: 9000000"
    head = f"POST /api/v1/upload HTTP/1.1\r\nHost: localhost\r\n{told}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
    assert wait_until(lambda: client.ask(f"/api/v1/instances/{uid}").status == 200, 20)
    assert wait_until(lambda: not incoming(directory), 20)
