"""The servers that archimage stands beside, each with the settings that make it fast.

Durability: the floor and archimage sync before they answer; Orthanc syncs its files (`SyncStorageArea`, its default)
but not every index transaction; storescp, dcmqrscp and the pynetdicom SCP sync nothing.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from bench import process, wire
from bench.process import Running

Starter = Callable[[Path], AbstractContextManager[Running]]
MOVE_DESTINATION = "BENCHDEST"
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
MODULES = {"floor": "floor", "ready": "ready", "sink": "sink", "web_floor": "web_floor", "pynetdicom": "pynetdicom_scp"}
ARCHIMAGE_COMMAND = (sys.executable, "-m", "archimage")


@contextmanager
def storescp(root: Path, mode: str = "+B", called: str = "STORESCP", port: int = 0) -> Iterator[Running]:
    """Run DCMTK's storescp, a process per association.

    +B, writing what comes as it is, is its fastest mode; -B, its default, takes the object apart and writes it anew.
    """
    program, port = process.require("storescp", "dcmtk"), port or process.free_port()
    with process.fresh_directory(root, "storescp") as directory:
        options = ["--fork", "-dhl", "-aet", called, "-pdu", str(wire.MAX_PDU), "+xe", mode, "-od", str(directory)]
        command = [program, *options, str(port)]
        with process.launched(command, directory) as running:
            process.wait_until(partial(process.answers_echo, port, called), running, "storescp")
            yield Running("storescp" if mode == "+B" else f"storescp {mode}", running, port, called, directory)


@contextmanager
def dcmqrscp(root: Path, destination_port: int = 11999) -> Iterator[Running]:
    """Run DCMTK's dcmqrscp, its image archive with an index file."""
    program, port = process.require("dcmqrscp", "dcmtk"), process.free_port()
    with process.fresh_directory(root, "dcmqrscp") as directory:
        (directory / "db").mkdir()
        settings = directory / "dcmqrscp.cfg"
        settings.write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = {wire.MAX_PDU}\nMaxAssociations = 64\n"
            f"HostTable BEGIN\ndest = ({MOVE_DESTINATION}, localhost, {destination_port})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nDCMQRSCP {directory / 'db'} RW (10000, 4096mb) ANY\nAETable END\n"
        )
        command = [program, "-c", str(settings), "-dhl", "+B", "+xe", "-xe", str(port)]
        with process.launched(command, directory) as running:
            process.wait_until(partial(process.answers_echo, port, "DCMQRSCP"), running, "dcmqrscp")
            yield Running("dcmqrscp", running, port, "DCMQRSCP", directory)


@contextmanager
def orthanc(root: Path, destination_port: int = 11999) -> Iterator[Running]:
    """Run Orthanc on SQLite without plugins, compression or the waits of its defaults."""
    port = process.free_port()
    with (
        process.fresh_directory(root, "orthanc") as directory,
        _orthanc(directory, _orthanc_settings(directory, port, destination_port)) as running,
    ):
        yield Running("Orthanc", running, port, "ORTHANC", directory)


@contextmanager
def orthanc_web(directory: Path) -> Iterator[Running]:
    """Run Orthanc with its DICOMweb plugin on a directory that may hold an archive of its own already."""
    if not DICOMWEB_PLUGIN.exists():
        raise process.ServerError("Orthanc has no DICOMweb: apt-get install orthanc-dicomweb")
    port, http_port = process.free_port(), process.free_port()
    settings = {**_orthanc_settings(directory, port, 11999), **_web_settings(http_port)}
    with _orthanc(directory, settings) as running:
        process.wait_until(partial(process.listens, http_port), running, "Orthanc")
        yield Running("Orthanc", running, port, "ORTHANC", directory, http_port)


@contextmanager
def _orthanc(directory: Path, settings: Mapping[str, object]) -> Iterator[subprocess.Popen[str]]:
    file = directory / "orthanc.json"
    file.write_text(json.dumps(settings))
    with process.launched([process.require("Orthanc", "orthanc"), str(file)], directory) as running:
        port = settings["DicomPort"]
        assert isinstance(port, int)
        process.wait_until(partial(process.answers_echo, port, "ORTHANC"), running, "Orthanc")
        yield running


def _web_settings(http_port: int) -> dict[str, object]:
    """Serve whole metadata, as archimage does; compressing for loopback would only cost time."""
    return {
        "Plugins": [str(DICOMWEB_PLUGIN)],
        "HttpServerEnabled": True,
        "HttpPort": http_port,
        "HttpThreadsCount": 50,
        "HttpCompressionEnabled": False,
        "KeepAlive": True,
        "TcpNoDelay": True,
        "AuthenticationEnabled": False,
        "DicomWeb": {
            "Enable": True,
            "Root": "/dicom-web/",
            "StudiesMetadata": "Full",
            "SeriesMetadata": "Full",
        },
    }


def _orthanc_settings(directory: Path, port: int, destination_port: int) -> dict[str, object]:
    return {
        "Name": "bench",
        "StorageDirectory": str(directory / "db"),
        "IndexDirectory": str(directory / "db"),
        "StorageCompression": False,
        "Plugins": [],
        "HttpServerEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {"dest": [MOVE_DESTINATION, "127.0.0.1", destination_port]},
        "DicomThreadsCount": 16,
        "DicomAssociationCloseDelay": 0,
        "MaximumPduLength": wire.MAX_PDU,
        "TranscodeDicomProtocol": False,
        "SaveJobs": False,
        "MetricsEnabled": False,
    }


@contextmanager
def _module(root: Path, name: str, called: str, port: int = 0, arguments: Sequence[str] = ()) -> Iterator[Running]:
    """Run one of the bench's own servers."""
    port = port or process.free_port()
    with process.fresh_directory(root, name) as directory:
        command = [sys.executable, "-m", f"bench.{MODULES[name]}", str(port), str(directory), *arguments]
        with process.launched(command, directory) as running:
            process.wait_until(partial(process.listens, port), running, name)
            yield Running("floor" if name == "ready" else name, running, port, called, directory)


def pynetdicom_scp(root: Path) -> AbstractContextManager[Running]:
    """Run a Storage SCP on pynetdicom."""
    return _module(root, "pynetdicom", "PYNETDICOM")


def floor(root: Path, *, sync: bool = True) -> AbstractContextManager[Running]:
    """Run the floor."""
    return _module(root, "floor", "", arguments=() if sync else ("unsynced",))


def ready(root: Path, pdus: Path) -> AbstractContextManager[Running]:
    """Run the floor of C-GET, which sends a file of ready PDUs."""
    return _module(root, "ready", "READY", arguments=(str(pdus),))


@contextmanager
def web_floor(root: Path, objects: Path) -> Iterator[Running]:
    """Run the floor of WADO-RS and STOW-RS, which has a folder of objects and keeps others."""
    with _module(root, "web_floor", "", arguments=(str(objects),)) as running:
        yield replace(running, name="floor", http_port=running.port)


def sink(root: Path, port: int) -> AbstractContextManager[Running]:
    """Run the Storage SCP that discards."""
    return _module(root, "sink", MOVE_DESTINATION, port)


@contextmanager
def archimage(
    root: Path,
    destination_port: int = 11999,
    settings: Mapping[str, str] | None = None,
    prepare: Callable[[Path], None] | None = None,
) -> Iterator[Running]:
    """Run the archive itself; prepare may fill its data directory first."""
    with process.fresh_directory(root, "archimage") as directory:
        if prepare:
            prepare(directory)
        with archimage_on(directory, destination_port, settings) as running:
            yield running


@contextmanager
def archimage_on(
    directory: Path, destination_port: int = 11999, settings: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run the archive on a directory that may hold one already; all that it makes once it serves is made."""
    with archimage_starting(directory, destination_port, settings) as running:
        _await_all(running.http_port)
        yield running


@contextmanager
def archimage_starting(
    directory: Path, destination_port: int = 11999, settings: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run the archive, just when it has said that it is ready."""
    command = [
        *ARCHIMAGE_COMMAND, "serve", "--data", str(directory), "--dicom-port", "0", "--http-port", "0",
        "--node", f"{MOVE_DESTINATION}=127.0.0.1:{destination_port}",
    ]  # fmt: skip
    with process.launched(command, directory, settings, stdout=subprocess.PIPE) as running:
        port, http_port, called = _ready(running, directory)
        yield Running("archimage", running, port, called, directory, http_port)


def _await_all(http_port: int) -> None:
    """Wait for what the server makes while it serves already: a page is answered with it."""
    with closing(HTTPConnection("127.0.0.1", http_port, timeout=wire.TIMEOUT_S)) as connection:
        connection.request("GET", "/")
        if connection.getresponse().status != 200:
            raise process.ServerError("the study list of archimage cannot be had")


def _ready(running: subprocess.Popen[str], directory: Path) -> tuple[int, int, str]:
    """Read the line that tells where it listens; other lines before it are passed over."""
    late = threading.Timer(process.START_LIMIT_S, running.kill)
    late.start()
    try:
        for line in running.stdout or ():
            if line.startswith("ready "):
                fields = dict(field.split("=", 1) for field in line.partition(" data=")[0].split()[1:])
                dicom, http = (int(fields[door].rpartition(":")[2]) for door in ("dicom", "http"))
                return dicom, http, fields["ae"]
    finally:
        late.cancel()
    said = directory.with_suffix(".log").read_text().strip().splitlines()
    raise process.ServerError(f"archimage did not start: {said[-1] if said else 'it said nothing'}")
