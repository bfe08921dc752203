"""Senders, a remover, and compression by rule in the background, killed under one another again and again."""

import random
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.config_observing import LogConfig
from archimage.dicom.encode import decode_identifier
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.pixels import PixelDescription, decode_frame
from archimage.model.records import StoredInstance
from archimage.protocol.status import is_success
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.consistency import verify
from archimage.services.frames import FrameService
from tests.attacks.datasets import STUDY_INSTANCE_UID
from tests.attacks.server import launch
from tests.attacks.wire import Peer
from tests.crash.removals import Remover
from tests.crash.senders import send_until_gone
from tests.crash.storm import SETTINGS, kill, options_for
from tests.services.compressing import image

_ROOT: Final = "1.2.826.0.1.3680043.8.502"
_SERIES: Final = "1.2.826.0.1.3680043.8.499.2"
_SENDERS: Final = 2
_SHORTEST_LIFE_S: Final = 0.2
_LONGEST_LIFE_S: Final = 2.5
_SENT_AGAIN: Final = 0.3
_RULES: Final = ("htj2k-lossless", "jpeg-ls-lossless", "rle-lossless")


@dataclass
class Sent:
    """One object; each has a study of its own, and is either removed one day or sent again."""

    uid: str
    removable: bool
    side: int
    frames: int

    @property
    def study(self) -> str:
        """UID of its study."""
        return f"{self.uid}.0"

    def dataset(self) -> bytes:
        """Return its data set."""
        replaced = {STUDY_INSTANCE_UID: self.study.encode()}
        return image(self.uid, side=self.side, frames=self.frames, replaced=replaced)

    def samples(self) -> np.ndarray[Any, Any]:
        """Return what its frames hold."""
        count = self.side * self.side * self.frames
        return np.frombuffer(self.dataset()[-2 * count :], "<u2").reshape(self.frames, self.side, self.side)


@dataclass
class Sender:
    """Sends objects, and some of them again, which must be answered as success."""

    number: int
    random: random.Random
    acknowledged: list[Sent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unanswered: Sent | None = None
    count: int = 0

    def run(self, port: int) -> None:
        """Send until the server is gone."""
        send_until_gone(port, self._send)

    def _send(self, peer: Peer) -> None:
        kept = [sent for sent in self.acknowledged if not sent.removable]
        if kept and self.random.random() < _SENT_AGAIN:
            self._store(peer, self.random.choice(kept))
        sent = self.unanswered = self.unanswered or self._next()
        if self._store(peer, sent):
            self.acknowledged.append(sent)
        self.unanswered = None

    def _store(self, peer: Peer, sent: Sent) -> bool:
        status = peer.store(sent.uid, sent.dataset())
        if not is_success(status):
            self.refused.append(f"{sent.uid} refused with {status:04X}H")
        return is_success(status)

    def _next(self) -> Sent:
        self.count += 1
        side = self.random.choices((64, 128, 512), (60, 30, 10))[0]
        return Sent(f"{_ROOT}.{self.number}.{self.count}", self.count % 2 == 0, side, self.random.choice((1, 1, 3)))


class CompressionStorm:
    """One archive through many crashes; between them it is looked at while nothing is compressed."""

    def __init__(self, directory: Path, seed: int, *, workers: int = 1) -> None:
        self.problems: list[str] = []
        self.compressed = 0
        self.removed: set[str] = set()
        self._directory = directory
        self._random = random.Random(seed)  # noqa: S311 - instants, no secret
        self._senders = [
            Sender(number, random.Random(seed * _SENDERS + number))  # noqa: S311 - sizes, no secret
            for number in range(_SENDERS)
        ]
        self._options = options_for(workers)

    @property
    def seen(self) -> str:
        """Say what has happened."""
        return f"{self.compressed} compressed, {len(self.removed)} removals"

    def run(self, kills: int) -> None:
        """Kill so many times, looking at everything after each."""
        for number in range(kills):
            self._load_and_kill(_RULES[number % len(_RULES)])
            self._check()

    def _load_and_kill(self, rule: str) -> None:
        server = launch(self._directory, self._options, {**SETTINGS, "storage__compress__ct": rule})
        server.wait_until_ready()
        remover = Remover(self._directory, self._random)
        ended = threading.Event()
        threads = [threading.Thread(target=sender.run, args=(server.port,)) for sender in self._senders]
        threads.append(threading.Thread(target=self._remove, args=(remover, ended)))
        for thread in threads:
            thread.start()
        ended.wait(self._random.uniform(_SHORTEST_LIFE_S, _LONGEST_LIFE_S))
        kill(server)
        ended.set()
        remover.process.kill()
        for thread in threads:
            thread.join()
        remover.end()

    def _remove(self, remover: Remover, ended: threading.Event) -> None:
        """Remove an object now and then; one whose removal is not answered is sent anew and forgotten."""
        while not ended.wait(0.05):
            sender = self._senders[len(self.removed) % _SENDERS]
            left = [sent for sent in sender.acknowledged if sent.removable and sent.uid not in self.removed]
            if left:
                sent = left[-1]
                self.removed.add(sent.uid)
                if not remover.remove((sent.study, _SERIES, sent.uid)):
                    self.removed.discard(sent.uid)
                    sender.acknowledged.remove(sent)
                    return

    def _check(self) -> None:
        """Compare rows, files and samples with what was answered."""
        settings = Config(
            storage=StorageConfig(directory=self._directory, journal_segment_bytes=4 << 20),
            log=LogConfig(level="error"),
        )
        with closing(build(settings)) as archive:
            *_, findings = verify(archive.index, archive.blobs, digests=True)
            self.problems += [f"row without a file: {path}" for path in findings.missing]
            self.problems += [f"damaged: {path}" for path in findings.damaged]
            self.problems += [f"file without a row: {path}" for path in findings.orphans]
            self.problems += [f"left in incoming/: {name}" for name in archive.blobs.incoming()]
            rows = {row.sop_instance_uid: row for page in archive.index.all_instances() for row in page}
            self.compressed = sum(row.transfer_syntax_uid != EXPLICIT_VR_LITTLE_ENDIAN for row in rows.values())
            self.problems += [f"{uid} was removed and is back" for uid in self.removed & rows.keys()]
            for sender in self._senders:
                self.problems += sender.refused
                sender.refused.clear()
                for sent in sender.acknowledged:
                    if sent.uid not in self.removed:
                        self._check_one(archive, sent, rows.get(sent.uid))

    def _check_one(self, archive: App, sent: Sent, row: StoredInstance | None) -> None:
        if row is None:
            self.problems.append(f"{sent.uid} was kept and is gone")
        elif not np.array_equal(_samples(archive, row), sent.samples()):
            self.problems.append(f"{sent.uid} differs")


def _samples(archive: App, row: StoredInstance) -> np.ndarray[Any, Any]:
    frames = FrameService(archive.index, archive.blobs)
    header = decode_identifier(frames.header(row), row.transfer_syntax_uid, DEFAULT_LIMITS)
    numbers = range(1, frames.frame_count(row) + 1)
    description = PixelDescription.of(header)
    return np.stack(
        [decode_frame(frame.data, frame.transfer_syntax_uid, description)[0] for frame in frames.frames(row, numbers)]
    )
