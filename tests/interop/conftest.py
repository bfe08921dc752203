"""Fixtures of the interop tests: our server as a process, and real files."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import data_store
import pydicom.data
import pytest

from archimage.net.conversation import RemoteNode
from tests.interop.peers import Archive, Sample, free_port, listens, process, read_sample, serve, wait_until


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Our server over an empty archive, one for the module."""
    directory = tmp_path_factory.mktemp("archive") / "data"
    destination = RemoteNode("DESTINATION", "127.0.0.1", free_port())
    option = f"{destination.ae_title}={destination.host}:{destination.port}"
    with serve(directory, "--node", option) as node:
        yield Archive(node, destination, directory)


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """Every real Part 10 file of a storage SOP class in pydicom and pydicom-data, one for each SOP Instance UID."""
    folders = (Path(pydicom.data.__file__).parent / "test_files", Path(data_store.__file__).parent / "data")
    found: dict[str, Sample] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        sample = read_sample(path) if path.is_file() else None
        if sample is not None:
            found.setdefault(sample.sop_instance_uid, sample)
    return list(found.values())


@dataclass(frozen=True)
class Watcher:
    """`archimage ups watch` as WATCHER, until it has heard one event."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def heard(self) -> str:
        """Return what it has printed at its end."""
        assert self.process.wait(60) == 0, self.log.read_text()
        return self.log.read_text()


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    """Our command, which listens."""
    port, log = free_port(), tmp_path / "watch.log"
    command = [sys.executable, "-m", "archimage", "ups", "watch", str(port), "-aet", "WATCHER", "--count", "1"]
    with process(command, log) as running:
        wait_until(running, lambda: listens(port), log)
        yield Watcher(port, running, log)
