"""Archives that route, with their settings, and the invented studies that they are sent."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from archimage.dicom.part10 import FileMeta, encode_file_meta
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import PATIENT_ID, SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset
from tests.attacks.server import Server, launch, running, wait_until
from tests.attacks.wire import CT
from tests.interop.peers import dataset_of

ROOT = "1.2.826.0.1.3680043.8.497"
WITHIN_S = 60.0


def study(folder: Path, number: int, instances: int, *, patient: str = "P1", pixels: int = 256) -> dict[str, bytes]:
    """Write a study of an invented CT; return its data sets by SOP Instance UID."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    replaced = {
        STUDY_INSTANCE_UID: study_uid(number).encode(),
        SERIES_INSTANCE_UID: f"{study_uid(number)}.1".encode(),
        PATIENT_ID: patient.encode(),
    }
    for instance in range(1, instances + 1):
        uid = f"{study_uid(number)}.1.{instance}"
        more = ((0x00080020, "DA", b"20260101"),)
        found[uid] = dataset(uid, pixels=os.urandom(pixels), replaced=replaced, more=more)
        meta = encode_file_meta(FileMeta(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN))
        (folder / f"{uid}.dcm").write_bytes(meta + found[uid])
    return found


def study_uid(number: int) -> str:
    """Return the Study Instance UID of a study."""
    return f"{ROOT}.{number}"


def settings(path: Path, *rules: str, more: str = "") -> Path:
    """Write settings with rules."""
    tables = "\n".join(f"[[routing.rule]]\n{rule}\n" for rule in rules)
    path.write_text(f"[routing]\nquiet_s = 1\n\n{tables}\n{more}\n", encoding="utf-8")
    return path


@contextmanager
def routing(directory: Path, config: Path, *nodes: str) -> Iterator[Server]:
    """Run an archive with settings; nodes are `AET=HOST:PORT`."""
    with running(directory, options(config, nodes)) as server:
        yield server


def begun(directory: Path, config: Path, *nodes: str) -> Server:
    """Start one, to be killed."""
    server = launch(directory, options(config, nodes))
    server.wait_until_ready()
    return server


def options(config: Path, nodes: Sequence[str]) -> list[str]:
    """Return the options of `archimage serve`."""
    return ["--config", str(config), *(part for node in nodes for part in ("--node", node))]


def send(server: Server, folder: Path, calling: str = "CT1") -> None:
    """Have `archimage store` send a folder."""
    archimage("store", "127.0.0.1", server.port, folder, "-aet", calling, "--json")


def archimage(*arguments: object, code: int = 0) -> str:
    """Run a command, which ends with a code; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "archimage", *map(str, arguments)], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def received(folder: Path) -> dict[str, bytes]:
    """Return the data sets that a receiver has written in full."""
    return {path.name.split(".", 1)[1]: dataset_of(path) for path in folder.iterdir() if path.stat().st_size}


def arrives(folder: Path, wanted: dict[str, bytes], within_s: float = WITHIN_S) -> bool:
    """Wait until a receiver has as many files, and tell whether they are the same, byte for byte."""
    if not wait_until(lambda: len(list(folder.iterdir())) >= len(wanted), within_s):
        return False
    return wait_until(lambda: sorted(received(folder).values()) == sorted(wanted.values()), 5)
