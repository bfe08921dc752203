"""Debian's Orthanc as a process, and its REST interface."""

import json
import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pydicom

from archimage.dicom.diff import diff
from archimage.net.conversation import RemoteNode
from tests.interop.peers import free_port, listens, missing, process, wait_until

AE_TITLE: Final = "ORTHANC"


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    node: RemoteNode
    http_port: int

    def ask(self, path: str, body: object = None) -> Any:
        """Call its REST interface: GET, or POST with a body, JSON unless it is bytes."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", data, timeout=60) as answer:
            content = answer.read()
        return content if path.endswith("/file") else json.loads(content)

    def dataset(self, resource: str) -> pydicom.Dataset:
        """Return what it keeps of an instance."""
        return parse(self.ask(f"/instances/{resource}/file"))

    def delete(self, resource: str) -> None:
        """Remove an instance."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/instances/{resource}", method="DELETE")
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - http on loopback


@contextmanager
def run_orthanc(folder: Path, port: int, settings: Mapping[str, object]) -> Iterator[Orthanc]:
    """Run an empty Orthanc that listens for DICOM on a port; settings go above those that every test has."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None:
        missing("Orthanc is missing: apt-get install orthanc")
    http_port = free_port()
    file = folder / "orthanc.json"
    file.write_text(json.dumps({**_settings(folder, port, http_port), **settings}))
    log = folder / "orthanc.log"
    with process([program, file], log) as running:
        wait_until(running, lambda: listens(port) and listens(http_port), log)
        yield Orthanc(RemoteNode(AE_TITLE, "127.0.0.1", port), http_port)


def _settings(folder: Path, port: int, http_port: int) -> dict[str, object]:
    return {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [],
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": AE_TITLE,
        "DicomPort": port,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowGet": True,
        "UnknownSopClassAccepted": True,
        "TranscodeDicomProtocol": False,
    }


def parse(part10: bytes) -> pydicom.Dataset:
    """Read a file."""
    return pydicom.dcmread(BytesIO(part10), force=True)


def same(first: pydicom.Dataset, second: pydicom.Dataset) -> bool:
    """Compare element by element: Orthanc writes data sets anew, group lengths and trailing padding its own way."""
    changed = (difference.path for difference in diff(first, second))
    return all(path == "DataSetTrailingPadding" or path.endswith(",0000)") for path in changed)
