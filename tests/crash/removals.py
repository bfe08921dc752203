"""Senders and a remover that never stop, each in a process of its own, and kills under them again and again.

Every study has a few objects. It is sent, removed as a whole or in part, and sometimes sent again.
"""

import random
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from archimage.dicom.part10 import decode_file_meta
from archimage.protocol.status import is_success
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset
from tests.attacks.server import Server, launch, stop
from tests.attacks.wire import Peer
from tests.crash.senders import send_until_gone
from tests.crash.storm import SETTINGS, disagreements, kill, options_for

_ROOT: Final = "1.2.826.0.1.3680043.8.501"
_SENDERS: Final = 3
_OBJECTS: Final = 6
_LONGEST_LIFE_S: Final = 0.5
_SENT_AGAIN: Final = 0.4
_ONE_OUTLIVES: Final = 0.4
_NOISE: Final = random.Random(2).randbytes(2 << 20)  # noqa: S311 - pixels, no secret


@dataclass
class Study:
    """One study: which of its objects must be there, and which must not; of the others nothing is known."""

    uid: str
    sizes: tuple[int, ...]
    kept: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    removing: frozenset[int] = frozenset()

    @property
    def series(self) -> str:
        """UID of its only series."""
        return f"{self.uid}.1"

    def instance(self, number: int) -> str:
        """UID of an object."""
        return f"{self.uid}.1.{number + 1}"

    def dataset(self, number: int) -> bytes:
        """Return an object's data set."""
        replaced = {STUDY_INSTANCE_UID: self.uid.encode(), SERIES_INSTANCE_UID: self.series.encode()}
        return dataset(self.instance(number), pixels=_NOISE[: self.sizes[number]], replaced=replaced)


class Sender:
    """Sends studies; one that was cut short by a kill is sent to its end after it."""

    def __init__(self, number: int, random_: random.Random, closed: "SimpleQueue[Study | None]") -> None:
        self.again: SimpleQueue[Study] = SimpleQueue()
        self.studies: list[Study] = []
        self.refused: list[str] = []
        self._number = number
        self._random = random_
        self._closed = closed
        self._current: Study | None = None

    def run(self, port: int) -> None:
        """Send until the server is gone."""
        send_until_gone(port, self._send)

    def _send(self, peer: Peer) -> None:
        study = self._current = self._current or self._next()
        for number in range(_OBJECTS):
            if number not in study.kept:
                study.gone.discard(number)
                status = peer.store(study.instance(number), study.dataset(number))
                if not is_success(status):
                    self.refused.append(f"{study.instance(number)} refused with {status:04X}H")
                study.kept.add(number)
        self._current = None
        self._closed.put(study)

    def _next(self) -> Study:
        if not self.again.empty():
            return self.again.get()
        sizes = tuple(self._random.choices((500, 4_000, 40_000, 900_000), (60, 30, 8, 2), k=_OBJECTS))
        study = Study(f"{_ROOT}.{self._number}.{len(self.studies) + 1}", sizes)
        self.studies.append(study)
        return study


class Remover:
    """Removes studies that were sent, and parts of them, by a process that may be killed at any instant."""

    def __init__(self, directory: Path, random_: random.Random) -> None:
        self.removed = 0
        self._random = random_
        command = [sys.executable, "-m", "tests.crash.remover", str(directory)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "ready"

    def run(self, closed: "SimpleQueue[Study | None]", senders: list[Sender]) -> None:
        """Remove until the process is gone; an empty entry ends it too."""
        while (study := closed.get()) is not None:
            numbers, uids = self._choose(study)
            study.removing = frozenset(numbers)
            study.kept -= study.removing
            if not self.remove(uids):
                return
            study.gone |= study.removing
            study.removing = frozenset()
            self.removed += 1
            if self._random.random() < _SENT_AGAIN:
                self._random.choice(senders).again.put(study)

    def end(self) -> None:
        """Let go of the process, which is dead."""
        with self.process:
            self.process.kill()

    def _choose(self, study: Study) -> tuple[list[int], tuple[str, ...]]:
        every = list(range(_OBJECTS))
        whole = self._random.randrange(3)
        if whole == 0:
            return every, (study.uid,)
        if whole == 1:
            return every, (study.uid, study.series)
        one = self._random.randrange(_OBJECTS)
        return [one], (study.uid, study.series, study.instance(one))

    def remove(self, uids: tuple[str, ...]) -> bool:
        """Have a study, a series or an instance removed; false when the process ended before it answered."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{' '.join(uids)}\n")
            self.process.stdin.flush()
        except OSError:
            return False
        return self._answer() == "removed"

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


class RemovalStorm:
    """One archive through many crashes of server, remover, or both."""

    def __init__(self, directory: Path, seed: int, *, workers: int = 1) -> None:
        self.problems: list[str] = []
        self.removed = 0
        self._directory = directory
        self._random = random.Random(seed)  # noqa: S311 - instants, no secret
        self._closed: SimpleQueue[Study | None] = SimpleQueue()
        self._senders = [
            Sender(number, random.Random(seed * _SENDERS + number), self._closed)  # noqa: S311 - sizes, no secret
            for number in range(_SENDERS)
        ]
        self._options = options_for(workers)

    @property
    def seen(self) -> str:
        """Say what has happened."""
        return f"{self.removed} removals"

    @property
    def studies(self) -> list[Study]:
        """Every study that was ever begun."""
        return [study for sender in self._senders for study in sender.studies]

    def run(self, kills: int) -> None:
        """Kill so many times, looking at everything after each."""
        for _ in range(kills):
            server = self._start()
            self._check(server)
            self._load_and_kill(server)
        server = self._start()
        try:
            self._check(server)
        finally:
            stop(server)

    def _start(self) -> Server:
        server = launch(self._directory, self._options, SETTINGS)
        server.wait_until_ready()
        return server

    def _load_and_kill(self, server: Server) -> None:
        remover = Remover(self._directory, self._random)
        threads = [threading.Thread(target=sender.run, args=(server.port,)) for sender in self._senders]
        threads.append(threading.Thread(target=remover.run, args=(self._closed, self._senders)))
        for thread in threads:
            thread.start()
        threading.Event().wait(self._random.uniform(0.05, _LONGEST_LIFE_S))
        kills = [lambda: kill(server), remover.process.kill]
        self._random.shuffle(kills)
        kills[0]()
        if self._random.random() < _ONE_OUTLIVES:
            threading.Event().wait(self._random.uniform(0.0, _LONGEST_LIFE_S))
        kills[1]()
        self._closed.put(None)
        for thread in threads:
            thread.join()
        remover.end()
        self.removed += remover.removed
        self._refill()

    def _refill(self) -> None:
        """Take the mark of the end out of the queue, if the remover has not."""
        waiting = [self._closed.get() for _ in range(self._closed.qsize())]
        for study in waiting:
            if study is not None:
                self._closed.put(study)

    def _check(self, server: Server) -> None:
        """Compare rows and files with what was answered, and with each other."""
        rows = {row.sop_instance_uid: row.path for row in server.rows()}
        self.problems += disagreements(set(rows.values()), server.files())
        self.problems += [f"left in incoming/: {path}" for path in server.incoming()]
        for sender in self._senders:
            self.problems += sender.refused
            sender.refused.clear()
        for study in self.studies:
            self._check_study(study, rows)

    def _check_study(self, study: Study, rows: Mapping[str, str]) -> None:
        there = {number for number in range(_OBJECTS) if study.instance(number) in rows}
        self.problems += [f"{study.instance(number)} was kept and is gone" for number in study.kept - there]
        self.problems += [f"{study.instance(number)} was removed and is back" for number in study.gone & there]
        for number in study.kept & there:
            data = (self._directory / "objects" / rows[study.instance(number)]).read_bytes()
            if data[decode_file_meta(data)[1] :] != study.dataset(number):
                self.problems.append(f"{study.instance(number)} differs")
        if study.removing:
            left = study.removing & there
            if left and left != study.removing:
                self.problems.append(
                    f"half of {study.uid} was removed: {sorted(left)} of {sorted(study.removing)} left"
                )
            study.kept |= left
            study.gone |= study.removing - left
            study.removing = frozenset()
            if left:
                self._closed.put(study)
