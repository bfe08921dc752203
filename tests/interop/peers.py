"""Real peers as processes: our own server, DCMTK's, each on a free port of the loopback and ended by its own pid."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NoReturn

import pytest
from pydicom.datadict import tag_for_keyword

from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.encode import encode_elements
from archimage.dicom.part10 import FileMeta, decode_file_meta
from archimage.dicom.scan import scan
from archimage.errors import InvalidFileError
from archimage.net.client import OutgoingInstance
from archimage.net.conversation import RemoteNode
from archimage.net.operations import IncomingInstance
from archimage.protocol.uids import STORAGE_SOP_CLASSES

STUDY_INSTANCE_UID: Final = 0x0020000D
_IDENTITY: Final = (0x0020000E, 0x00080018)
START_TIMEOUT_S: Final = 30.0
_PACKAGES: Final = {
    "archive_agent": "ctn",
    "archive_server": "ctn",
    "commit_agent": "ctn",
    "cupsd": "cups-daemon",
    "dciodvfy": "dicom3tools",
    "lpadmin": "cups-client",
    "mariadb": "mariadb-client-core",
    "mariadb-install-db": "mariadb-server-core",
    "mariadbd": "mariadb-server-core",
    "mwlQuery": "ctn",
    "prlimit": "util-linux",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "rsyslogd": "rsyslog rsyslog-gnutls",
    "storage_commit": "ctn",
}
ENVIRONMENT: Final = {**os.environ, "TCP_NODELAY": "1"}
_READY: Final = re.compile(r"ready dicom=(\S+):(\d+) http=(\S+):(\d+) ae=(\S+) data=(.+)")


@dataclass(frozen=True)
class Sample:
    """A real file: what it is, and its data set as it lies in it."""

    path: Path
    meta: FileMeta
    dataset: bytes

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID."""
        return self.meta.media_storage_sop_instance_uid

    @property
    def pair(self) -> tuple[str, str]:
        """SOP class and transfer syntax."""
        return self.meta.media_storage_sop_class_uid, self.meta.transfer_syntax_uid

    @cached_property
    def study_instance_uid(self) -> str:
        """Study Instance UID; empty where the data set names none, no series, or another object than the file does."""
        header = scan(self.dataset, self.meta.transfer_syntax_uid, frozenset({*_IDENTITY, STUDY_INSTANCE_UID}))
        series, instance = (header.text(tag) for tag in _IDENTITY)
        return (header.text(STUDY_INSTANCE_UID) or "") if series and instance == self.sop_instance_uid else ""

    @property
    def outgoing(self) -> OutgoingInstance:
        """What our client is to send."""
        sop_class, syntax = self.pair
        return OutgoingInstance(sop_class, self.sop_instance_uid, syntax, memoryview(self.dataset))


@dataclass(frozen=True)
class Archive:
    """Our server; destination is the node that it may move to, whose port is free until a test listens there."""

    node: RemoteNode
    destination: RemoteNode
    directory: Path


def identifier(level: str, transfer_syntax_uid: str, **keys: str) -> bytes:
    """Encode an identifier; keys are DICOM keywords, their text ASCII or UTF-8."""
    elements = [(0x00080005, "CS", b"ISO_IR 192"), (0x00080052, "CS", level.encode())]
    for keyword, value in keys.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        elements.append((tag, dictionary_vr(tag), value.encode()))
    return encode_elements(sorted(elements), transfer_syntax_uid)


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tool(name: str) -> str:
    """Return the path of a peer's program; where it is missing, CI fails and others skip."""
    found = shutil.which(name)
    if found is None:
        missing(f"{name} is missing: apt-get install {_PACKAGES.get(name, 'dcmtk')}")
    return found


def missing(message: str) -> NoReturn:
    """Do without a peer: CI fails, others skip and say which command installs it."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def run(*arguments: str | Path | int, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a DCMTK program to its end; its output is text, both streams together."""
    program, *rest = arguments
    return subprocess.run(
        [tool(str(program)), *map(str, rest)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        timeout=timeout_s,
        check=False,
        encoding="utf-8",
        errors="replace",
    )


@contextmanager
def process(
    arguments: Sequence[str | Path | int],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] = ENVIRONMENT,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the background; its output goes to log."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            [str(part) for part in arguments], stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd
        )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(10)


def wait_until(
    running: subprocess.Popen[bytes], done: Callable[[], bool], log: Path, timeout_s: float = START_TIMEOUT_S
) -> None:
    """Wait until done says so; fail when the process ends before, or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not done():
        try:
            running.wait(0.02)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
        pytest.fail(f"{running.args!r} did not start: {log.read_text(errors='replace')}")


def listens(port: int) -> bool:
    """Tell whether something accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def listener(arguments: Sequence[str | Path | int], port: int, log: Path) -> Iterator[None]:
    """Run a server and wait until it listens."""
    with process(arguments, log) as running:
        wait_until(running, lambda: listens(port), log)
        yield


@dataclass(frozen=True)
class Served:
    """Our server: where it is called over DICOM, and the address of its DICOMweb service."""

    node: RemoteNode
    dicomweb_url: str


@contextmanager
def serve(directory: Path, *options: str) -> Iterator[RemoteNode]:
    """Run our server for peers that speak DICOM."""
    with serve_both(directory, *options) as served:
        yield served.node


@contextmanager
def serve_both(directory: Path, *options: str) -> Iterator[Served]:
    """Run our server on free ports and wait for its line."""
    log = directory.with_suffix(".log")
    command: list[str | Path | int] = [
        sys.executable,
        "-m",
        "archimage",
        "serve",
        "--data",
        directory,
        "--dicom-port",
        0,
        "--http-port",
        0,
    ]
    with process([*command, *options], log) as running:
        wait_until(running, lambda: _READY.search(log.read_text()) is not None, log)
        ready = _READY.search(log.read_text())
        assert ready is not None
        yield Served(RemoteNode(ready[5], ready[1], int(ready[2])), f"http://{ready[3]}:{ready[4]}/dicom-web")


@contextmanager
def storescp(node: RemoteNode, directory: Path, *options: str) -> Iterator[None]:
    """Run DCMTK's storescp, which writes what it receives bit for bit."""
    directory.mkdir(exist_ok=True)
    command: list[str | Path | int] = [
        tool("storescp"),
        "-aet",
        node.ae_title,
        "-od",
        directory,
        "+B",
        *options,
        node.port,
    ]
    with listener(command, node.port, directory.with_suffix(".log")):
        yield


def read_sample(path: Path) -> Sample | None:
    data = path.read_bytes()
    try:
        meta, offset = decode_file_meta(data)
    except InvalidFileError:
        return None
    if meta.media_storage_sop_class_uid not in STORAGE_SOP_CLASSES or not meta.media_storage_sop_instance_uid:
        return None
    if (len(data) - offset) % 2:
        return None  # no message can carry it (PS3.8 Annex E)
    return Sample(path, meta, data[offset:])


def dataset_of(path: Path) -> bytes:
    """Return a Part 10 file's data set as it lies in it."""
    data = path.read_bytes()
    return data[decode_file_meta(data)[1] :]


class Memory:
    """Keeps what a C-GET brings."""

    def __init__(self) -> None:
        self.datasets: dict[str, bytes] = {}
        self._name = ""
        self._parts: list[bytes] = []

    def open(self, incoming: IncomingInstance) -> "Memory":
        self._name, self._parts = incoming.sop_instance_uid, []
        return self

    def write(self, pieces: Sequence[memoryview]) -> None:
        self._parts += map(bytes, pieces)

    def finish(self) -> int:
        self.datasets[self._name] = b"".join(self._parts)
        return 0

    def discard(self) -> None:
        self._parts = []
