"""What the tests of retrieval over HTTP have in common: an archive of real objects, and bodies taken apart."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Final

from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.dicom.scan import HeaderScanner
from archimage.errors import ArchimageError
from archimage.services.attributes import WANTED
from tests.dicom.files import BROKEN, real_dataset, real_file, real_files
from tests.web.stowing import Answer, ask, store

ANY_OBJECT: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
ANY_FRAME: Final = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
"""As OHIF asks."""
SERIES: Final = "1.2.826.0.1.3680043.8.499.2"
"""The series of every data set of `tests.attacks.datasets`."""


@dataclass(frozen=True)
class Kept:
    """A real object that is kept."""

    path: Path
    meta: FileMeta
    data: bytes
    study: str
    series: str
    uid: str

    @property
    def address(self) -> str:
        """Where it is."""
        return f"/studies/{self.study}/series/{self.series}/instances/{self.uid}"

    @property
    def file(self) -> bytes:
        """A file of it."""
        return encode_file_meta(self.meta) + self.data


def identified(path: Path) -> Kept | None:
    """Read a real file; None where it cannot be stored."""
    meta, data = real_dataset(path)
    scanner = HeaderScanner(meta.transfer_syntax_uid, WANTED)
    try:
        scanner.feed(data)
    except ArchimageError:
        return None
    study, series, uid = (scanner.header.text(tag) for tag in (0x0020000D, 0x0020000E, 0x00080018))
    return Kept(path, meta, data, study, series, uid) if study and series and uid else None


def store_real_files(port: int) -> list[Kept]:
    """Store every real file that can be; return those, each SOP Instance UID once."""
    kept: dict[str, Kept] = {}
    for path in real_files():
        if path.name in BROKEN or (found := identified(path)) is None or found.uid in kept:
            continue
        if store(port, [path.read_bytes()]).stored():
            kept[found.uid] = found
    return list(kept.values())


def one(real: list[Kept], name: str) -> Kept:
    """Return the real object of a file, or one that has its UID."""
    wanted = identified(real_file(name))
    assert wanted is not None
    (kept,) = [kept for kept in real if kept.uid == wanted.uid]
    return kept


def get(port: int, path: str, accept: str | None = None, **headers: str) -> Answer:
    """Retrieve; headers with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(port, "GET", path, None, named if accept is None else {"Accept": accept, **named})


@dataclass(frozen=True)
class Part:
    """One part of a body."""

    headers: Mapping[str, str]
    body: bytes


def parts(answer: Answer) -> list[Part]:
    """Take a multipart body apart, by its boundary alone."""
    head = Message()
    head["Content-Type"] = answer.headers["content-type"]
    assert head.get_content_type() == "multipart/related"
    boundary = str(head.get_param("boundary")).encode()
    before, *found, after = (b"\r\n" + answer.body).split(b"\r\n--" + boundary)
    assert (before, after) == (b"", b"--\r\n")
    return [_part(part) for part in found]


def _part(part: bytes) -> Part:
    lines, _, body = part.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in lines.decode().strip().split("\r\n"))
    return Part({name.lower(): value for name, value in headers.items()}, body)


def head_of(port: int, path: str, accept: str) -> tuple[int, dict[str, str], bytes]:
    """Ask for the headers alone, and then once more on the same connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("HEAD", f"/dicom-web{path}", headers={"Accept": accept})
        first = connection.getresponse()
        body = first.read()
        connection.request("HEAD", f"/dicom-web{path}", headers={"Accept": accept})
        assert connection.getresponse().status == first.status
        return first.status, {name.lower(): value for name, value in first.getheaders()}, body
    finally:
        connection.close()
