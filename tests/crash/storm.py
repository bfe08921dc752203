"""Senders that never stop, and a server that is killed under them again and again."""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from archimage.dicom.part10 import decode_file_meta
from archimage.protocol.status import is_success
from tests.attacks.datasets import dataset
from tests.attacks.server import Server, launch, stop, wait_until
from tests.attacks.wire import Peer

READY_WITHIN_S: Final = 30.0
_SENDERS: Final = 4
_LONGEST_LIFE_S: Final = 0.4
_KILLED_AT_START: Final = 0.15
_NOISE: Final = random.Random(1).randbytes(4 << 20)  # noqa: S311 - pixels, no secret
SETTINGS: Final[Mapping[str, object]] = {
    "storage__journal_segment_bytes": 4 << 20,  # small, so that checkpoints happen all the time
    "storage__journal_limit_bytes": 768 << 10,
    "log__level": "error",
}


@dataclass(frozen=True)
class Sent:
    """One object: enough to make its bytes again."""

    uid: str
    start: int
    size_bytes: int

    def dataset(self) -> bytes:
        """Return its data set."""
        return dataset(self.uid, pixels=_NOISE[self.start : self.start + self.size_bytes])


class Sender:
    """Sends one object after the other; what was not acknowledged is sent again, as a modality does."""

    def __init__(self, number: int, seed: int) -> None:
        self.acknowledged: list[Sent] = []
        self.refused: list[tuple[Sent, int]] = []
        self._random = random.Random(seed)  # noqa: S311 - sizes, no secret
        self._prefix = f"1.2.826.0.1.3680043.8.500.{number}"
        self._count = 0
        self._unanswered: Sent | None = None

    def run(self, port: int) -> None:
        """Send until the server is gone."""
        send_until_gone(port, self._send)

    def _send(self, peer: Peer) -> None:
        sent = self._unanswered = self._unanswered or self._next()
        status = peer.store(sent.uid, sent.dataset())
        self._unanswered = None
        if is_success(status):
            self.acknowledged.append(sent)
        else:
            self.refused.append((sent, status))

    def _next(self) -> Sent:
        """Choose an object: many of 8 to 64 KB, some up to 2 MB, which are beyond the journal's limit."""
        self._count += 1
        largest = self._random.choices((64 << 10, 512 << 10, 2 << 20), (70, 22, 8))[0]
        size = self._random.randrange(8 << 10, largest) & ~1
        return Sent(f"{self._prefix}.{self._count}", self._random.randrange(len(_NOISE) - size), size)


@dataclass
class Tally:
    """What a storm has seen."""

    kills: int = 0
    acknowledged: int = 0
    slowest_start_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class Storm:
    """One archive through many crashes.

    workers above 1 run as many processes, of which all or one are killed; settings are those of the environment.
    """

    def __init__(self, directory: Path, seed: int, *, workers: int = 1, **settings: object) -> None:
        self.tally = Tally()
        self._directory = directory
        self._random = random.Random(seed)  # noqa: S311 - instants, no secret
        self._senders = [Sender(number, seed * _SENDERS + number) for number in range(_SENDERS)]
        self._checked = [0] * _SENDERS
        self._options = options_for(workers)
        self._settings = {**SETTINGS, **settings}

    def run(self, kills: int) -> Tally:
        """Kill so many times; then look at everything."""
        while self.tally.kills < kills:
            if self._random.random() < _KILLED_AT_START:
                self._kill_while_starting()
            self._kill_under_load()
            self.tally.kills += 1
        server = self._start()
        try:
            self._checked = [0] * _SENDERS
            self._check(server)
            self._check_agreement(server)
        finally:
            stop(server)
        self.tally.acknowledged = sum(len(sender.acknowledged) for sender in self._senders)
        return self.tally

    def _kill_while_starting(self) -> None:
        server = launch(self._directory, self._options, self._settings)
        threading.Event().wait(self._random.uniform(0.3, 1.5))
        kill(server)
        self.tally.kills += 1

    def _kill_under_load(self) -> None:
        server = self._start()
        self._check(server)
        threads = [threading.Thread(target=sender.run, args=(server.port,)) for sender in self._senders]
        for thread in threads:
            thread.start()
        threading.Event().wait(self._random.uniform(0.01, _LONGEST_LIFE_S))
        kill(server)
        for thread in threads:
            thread.join()

    def _start(self) -> Server:
        started = time.monotonic()
        server = launch(self._directory, self._options, self._settings)
        server.wait_until_ready()
        took = time.monotonic() - started
        self.tally.slowest_start_s = max(self.tally.slowest_start_s, took)
        return server

    def _check(self, server: Server) -> None:
        """Look at what was acknowledged since the last look, and at `incoming/`, which a start empties."""
        if server.incoming():
            self.tally.problems.append(f"left in incoming/ after {self.tally.kills} kills: {server.incoming()}")
        paths = {row.sop_instance_uid: row.path for row in server.rows()}
        for number, sender in enumerate(self._senders):
            for sent in sender.acknowledged[self._checked[number] :]:
                self._check_one(sent, paths)
            self._checked[number] = len(sender.acknowledged)
            self.tally.problems += [f"{sent.uid} refused with {status:04X}H" for sent, status in sender.refused]
            sender.refused.clear()

    def _check_one(self, sent: Sent, paths: Mapping[str, str]) -> None:
        path = paths.get(sent.uid)
        if path is None:
            self.tally.problems.append(f"{sent.uid} was acknowledged and has no row after {self.tally.kills} kills")
            return
        file = self._directory / "objects" / path
        data = file.read_bytes() if file.exists() else b""
        if not data or data[decode_file_meta(data)[1] :] != sent.dataset():
            self.tally.problems.append(f"{sent.uid} was acknowledged and differs after {self.tally.kills} kills")

    def _check_agreement(self, server: Server) -> None:
        self.tally.problems += disagreements({row.path for row in server.rows()}, server.files())


def send_until_gone(port: int, send: Callable[[Peer], None]) -> None:
    """Call send again and again with one association, until the server is gone."""
    with suppress(OSError), Peer.associated(port) as peer:
        while True:
            send(peer)


def options_for(workers: int) -> tuple[str, ...]:
    """Return the options of a server of so many processes."""
    return ("--workers", str(workers)) if workers > 1 else ()


def disagreements(rows: set[str], files: set[str]) -> list[str]:
    """Name the paths that only rows, or only files, know."""
    return [f"row without a file: {path}" for path in sorted(rows - files)] + [
        f"file without a row: {path}" for path in sorted(files - rows)
    ]


def kill(server: Server) -> None:
    """Kill a server and its workers, none of which gets to do anything more."""
    process = psutil.Process(server.process.pid)
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    for member in family:
        member.kill()
    server.process.wait(10)
    wait_until(lambda: not any(member.is_running() for member in family[1:]), 10)


def storms(directory: Path, kills: int, *, seed: int, report: Callable[[Tally], None]) -> Iterable[Tally]:
    """Run storms of at most 50 kills, each over a new archive, so that the disk does not fill; yield their tallies."""
    for number, start in enumerate(range(0, kills, 50)):
        place = directory / f"storm{number}"
        tally = Storm(place, seed + number).run(min(50, kills - start))
        report(tally)
        if not tally.problems:
            shutil.rmtree(place)
        yield tally
