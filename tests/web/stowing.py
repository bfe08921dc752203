"""A server to store to over HTTP, and bodies written by hand."""

import http.client
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archimage.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset
from tests.attacks.server import Server
from tests.attacks.wire import CT

BOUNDARY: Final = "example-boundary"
STUDY: Final = "1.2.826.0.1.3680043.8.499.1"
"""The study of every data set of `tests.attacks.datasets`."""

REFERENCED: Final = "00081199"
FAILED: Final = "00081198"
OTHER: Final = "0008119A"

Part = tuple[str, bytes] | tuple[str, bytes, Mapping[str, str]]


def http_port(server: Server) -> int:
    """Return the port that a server listens on for HTTP."""
    return server.http_port


def part10(data: bytes, uid: str, syntax: str = EXPLICIT_VR_LITTLE_ENDIAN, preamble: bytes = b"") -> bytes:
    """Make a file of a data set."""
    head = encode_file_meta(FileMeta(CT, uid, syntax))
    return preamble.ljust(128, b"\0") + head[128:] + data


def image(uid: str, **how: Any) -> bytes:
    """Make a small CT image as a file."""
    return part10(dataset(uid, **how), uid)


def multipart(parts: Iterable[Part], *, boundary: str = BOUNDARY) -> bytes:
    """Write a body of parts: media type, bytes, and more headers."""
    lines = []
    for kind, data, *more in parts:
        headers = {"Content-Type": kind, **(more[0] if more else {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        lines.append(f"--{boundary}\r\n{head}\r\n".encode() + data + b"\r\n")
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def related(kind: str = "application/dicom", *, boundary: str = BOUNDARY) -> str:
    """Return the Content-Type of such a body."""
    return f'multipart/related; type="{kind}"; boundary={boundary}'


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def model(self) -> dict[str, Any]:
        """The body, from JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def stored(self) -> list[str]:
        """SOP Instance UIDs of what was stored."""
        return [item["00081155"]["Value"][0] for item in self.model.get(REFERENCED, {}).get("Value", [])]

    def reasons(self, sequence: str = FAILED) -> list[int]:
        """Failure Reasons of what was not."""
        return [item["00081197"]["Value"][0] for item in self.model.get(sequence, {}).get("Value", [])]


def ask(
    port: int, method: str, path: str, body: bytes | Iterable[bytes] | None = None, headers: Mapping[str, str] = {}
) -> Answer:
    """Send one request on a connection of its own; a body of several pieces is sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, f"/dicom-web{path}", body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
    finally:
        connection.close()


def post(port: int, body: bytes | Iterable[bytes], content_type: str = related(), *, path: str = "/studies") -> Answer:
    """Store."""
    return ask(port, "POST", path, body, {"Content-Type": content_type})


def store(port: int, files: Sequence[bytes], *, path: str = "/studies") -> Answer:
    """Store files in one request."""
    return post(port, multipart(("application/dicom", file) for file in files), path=path)


def kept(server: Server, uid: str) -> bytes:
    """Return the data set in the file of an instance."""
    (row,) = [row for row in server.rows() if row.sop_instance_uid == uid]
    data = (server.directory / "objects" / row.path).read_bytes()
    return data[decode_file_meta(data)[1] :]
