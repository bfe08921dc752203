"""The servers that archimage stands beside, each with the settings that make it fast.

Durability: the floor and archimage sync before they answer; Orthanc syncs its files (`SyncStorageArea`, its default)
but not every index transaction; storescp, dcmqrscp and the pynetdicom SCP sync nothing.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from bench import process, wire
from bench.process import Running

Starter = Callable[[Path], AbstractContextManager[Running]]
MOVE_DESTINATION = "BENCHDEST"
MODULES = {"floor": "floor", "ready": "ready", "sink": "sink", "pynetdicom": "pynetdicom_scp"}
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
    program, port = process.require("Orthanc", "orthanc"), process.free_port()
    with process.fresh_directory(root, "orthanc") as directory:
        settings = directory / "orthanc.json"
        settings.write_text(json.dumps(_orthanc_settings(directory, port, destination_port)))
        with process.launched([program, str(settings)], directory) as running:
            process.wait_until(partial(process.answers_echo, port, "ORTHANC"), running, "Orthanc")
            yield Running("Orthanc", running, port, "ORTHANC", directory)


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
        command = [
            *ARCHIMAGE_COMMAND, "serve", "--data", str(directory), "--dicom-port", "0", "--http-port", "0",
            "--node", f"{MOVE_DESTINATION}=127.0.0.1:{destination_port}",
        ]  # fmt: skip
        with process.launched(command, directory, settings, stdout=subprocess.PIPE) as running:
            port, called = _ready(running, directory)
            yield Running("archimage", running, port, called, directory)


def _ready(running: subprocess.Popen[str], directory: Path) -> tuple[int, str]:
    """Read the line that tells where it listens; other lines before it are passed over."""
    for line in running.stdout or ():
        if line.startswith("ready "):
            fields = dict(field.split("=", 1) for field in line.split()[1:4])
            return int(fields["dicom"].rpartition(":")[2]), fields["ae"]
    said = directory.with_suffix(".log").read_text().strip().splitlines()
    raise process.ServerError(f"archimage did not start: {said[-1] if said else 'it said nothing'}")
