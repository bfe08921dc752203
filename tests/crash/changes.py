"""Patients corrected and studies moved, killed in the middle again and again; compression by rule goes on beside it."""

import hashlib
import json
import random
import threading
from contextlib import closing
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.config_observing import LogConfig
from archimage.dicom.encode import decode_identifier
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.pixels import PixelDescription, decode_frame
from archimage.index.changes import ChangeTable
from archimage.model.changes import ChangeState
from archimage.model.records import StoredInstance
from archimage.protocol.status import is_success
from archimage.services.consistency import verify
from archimage.services.frames import FrameService
from tests.attacks.datasets import PATIENT_ID, PATIENT_NAME, STUDY_INSTANCE_UID
from tests.attacks.server import Server, launch, stop, wait_until
from tests.attacks.wire import Peer
from tests.crash.storm import SETTINGS, kill, options_for
from tests.services.compressing import image

_ROOT: Final = "1.2.826.0.1.3680043.8.503"
_STUDIES: Final = 3
_OBJECTS: Final = 24
_LONGEST_LIFE_S: Final = 0.7
_ENDS_WITHIN_S: Final = 60.0


class ChangeStorm:
    """One archive through many crashes."""

    def __init__(self, directory: Path, seed: int, *, workers: int = 1, compressing: bool = False) -> None:
        self.problems: list[str] = []
        self.interrupted = 0
        self.changes = 0
        self._directory = directory
        self._random = random.Random(seed)  # noqa: S311 - instants, no secret
        self._options = options_for(workers)
        self._settings = {**SETTINGS, **({"storage__compress__ct": "jpeg-ls-lossless"} if compressing else {})}
        self._names = {"Demo^0"}
        self._samples: dict[str, bytes] = {}

    @property
    def seen(self) -> str:
        """Say what has happened."""
        return f"{self.changes} changes, {self.interrupted} interrupted"

    def run(self, kills: int) -> None:
        """Kill so many times, looking at everything after each; then let everything come to its end."""
        server = self._start()
        self._send(server)
        for _ in range(kills):
            self._ask(server)
            threading.Event().wait(self._random.uniform(0.0, _LONGEST_LIFE_S))
            kill(server)
            self._check()
            server = self._start()
        self._end(server)

    def _start(self) -> Server:
        server = launch(self._directory, self._options, self._settings)
        server.wait_until_ready()
        return server

    def _send(self, server: Server) -> None:
        with Peer.associated(server.port) as peer:
            for study in range(_STUDIES):
                for number in range(_OBJECTS):
                    uid = f"{_ROOT}.{study}.{number}"
                    replaced = {
                        STUDY_INSTANCE_UID: f"{_ROOT}.{study}".encode(),
                        PATIENT_ID: b"P",
                        PATIENT_NAME: b"Demo^0",
                    }
                    data = image(uid, side=64, noise=number % 2 * (number + 1), replaced=replaced)
                    assert is_success(peer.store(uid, data))
                    self._samples[uid] = hashlib.sha256(data[-2 * 64 * 64 :]).digest()
            peer.release()

    def _ask(self, server: Server) -> None:
        """Have the patient corrected, unless that is still going on."""
        name = f"Demo^{self.changes + 1}"
        body = {
            "kind": "correct-patient",
            "patient": {"study_instance_uid": f"{_ROOT}.0"},
            "attributes": {"PatientName": name, "PatientID": f"P{self.changes % 2}"},
            "reason": "storm",
        }
        status, told = _asked(server, "POST", "/changes", body)
        if status == 202:
            self.changes += 1
            self._names.add(name)
        elif status != 409 or "still at work" not in told["error"]:
            self.problems.append(f"a change was answered {status}: {told}")

    def _check(self) -> None:
        """Compare rows, files, pixels and names while nothing goes on."""
        with closing(self._opened()) as archive:
            *_, findings = verify(archive.index, archive.blobs, digests=True)
            self.problems += [f"row without a file: {path}" for path in findings.missing]
            self.problems += [f"damaged: {path}" for path in findings.damaged]
            self.problems += [f"file without a row: {path}" for path in findings.orphans]
            self.problems += [f"left in incoming/: {name}" for name in archive.blobs.incoming()]
            self.interrupted += len(ChangeTable(archive.index).running())
            self._check_objects(archive)

    def _check_objects(self, archive: App) -> set[str]:
        """Look at every object; return the names that they bear."""
        rows = {row.sop_instance_uid: row for page in archive.index.all_instances() for row in page}
        found = set()
        for uid, digest in self._samples.items():
            if uid not in rows:
                self.problems.append(f"{uid} is gone")
                continue
            dataset = _dataset(archive, rows[uid])
            name, items = str(dataset.PatientName), dataset.get("OriginalAttributesSequence") or []
            found.add(name)
            before = [str(item.ModifiedAttributesSequence[0].get("PatientName")) for item in items]
            if name not in self._names or sorted({*before, name}) != sorted([*before, name]):
                self.problems.append(f"{uid} is of {name}, and was of {before}")
            if hashlib.sha256(_samples(archive, rows[uid])).digest() != digest:
                self.problems.append(f"{uid} has other pixels")
        return found

    def _end(self, server: Server) -> None:
        """Let the last change come to its end, and look whether all is as it was asked for."""

        def ended() -> bool:
            _, told = _asked(server, "GET", "/changes?limit=1000")
            return all(one["state"] != "running" for one in told["items"])

        if not wait_until(ended, _ENDS_WITHIN_S):
            self.problems.append("a change does not come to its end")
        stop(server)
        self._check()
        with closing(self._opened()) as archive:
            found, total = ChangeTable(archive.index).list(1_000, 0)
            self.problems += [
                f"change {one.number} is {one.state}" for one in found if one.state is not ChangeState.DONE
            ]
            if total != self.changes:
                self.problems.append(f"{total} changes in the trail, {self.changes} were asked for")
            last = f"Demo^{self.changes}"
            if self._check_objects(archive) != {last}:
                self.problems.append(f"not all objects are of {last}")
            patients = archive.index.fetch("SELECT patient_name, patient_id FROM patient", {})
            if [tuple(row) for row in patients] != [(last, f"P{(self.changes - 1) % 2}")]:
                self.problems.append(f"patients are {patients}")

    def _opened(self) -> App:
        storage = StorageConfig(directory=self._directory, journal_segment_bytes=4 << 20)
        return build(Config(storage=storage, log=LogConfig(level="error")))


def _asked(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=20)) as connection:
        data = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1{path}", data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def _dataset(archive: App, row: StoredInstance) -> pydicom.Dataset:
    with archive.blobs.open(row.path) as reader:
        return pydicom.dcmread(BytesIO(reader.read(0, reader.size_bytes)))


def _samples(archive: App, row: StoredInstance) -> bytes:
    frames = FrameService(archive.index, archive.blobs)
    description = PixelDescription.of(decode_identifier(frames.header(row), row.transfer_syntax_uid, DEFAULT_LIMITS))
    (frame,) = frames.frames(row, (1,))
    return np.ascontiguousarray(decode_frame(frame.data, frame.transfer_syntax_uid, description)[0], "<u2").tobytes()
