"""Senders that never stop, and a server that is killed under them again and again, alone or with what it stands on."""

import json
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Final

import psutil

from archimage.dicom.part10 import decode_file_meta
from archimage.model.records import StoredInstance
from archimage.protocol.status import Status
from tests.attacks.server import Server, launch, stop, wait_until
from tests.crash.grounds import Ground, Neighbour
from tests.crash.senders import Sender, Sent
from tests.object_store.serving import SERIES
from tests.web.stowing import STUDY, ask

READY_WITHIN_S: Final = 30.0
ANSWERED_AGAIN_WITHIN_S: Final = 30.0
_SENDERS: Final = 4
_KILLED_AT_START: Final = 0.15
_STRUCK: Final = 0.5
_PAGE: Final = 1_000
SETTINGS: Final[Mapping[str, object]] = {
    "storage__journal_segment_bytes": 4 << 20,  # small, so that checkpoints happen all the time
    "storage__journal_limit_bytes": 768 << 10,
    "log__level": "error",
}


@dataclass
class Tally:
    """What a storm has seen; kills are those of the archive, struck those of what it stands on."""

    kills: int = 0
    struck: int = 0
    acknowledged: int = 0
    refused: int = 0
    removed: int = 0
    slowest_start_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class Storm:
    """One archive through many crashes.

    workers above 1 run as many processes, of which all are killed. With removing, somebody removes objects meanwhile.
    """

    def __init__(
        self, directory: Path, seed: int, *, workers: int = 1, ground: Ground | None = None, removing: bool = False
    ) -> None:
        self.tally = Tally()
        self._directory = directory
        self._ground = ground or Ground()
        self._random = random.Random(seed)  # noqa: S311 - instants, no secret
        self._senders = [Sender(number, seed * _SENDERS + number) for number in range(_SENDERS)]
        self._checked = [0] * _SENDERS
        self._options = options_for(workers)
        self._settings = {**SETTINGS, **self._ground.settings}
        self._is_removing = removing
        self._asked: set[str] = set()
        self._removed: set[str] = set()
        self._may_refuse = False

    def run(self, kills: int, *, strikes: bool = False) -> Tally:
        """Kill the archive so many times, with strikes now and then a neighbour too; then look at everything."""
        while self.tally.kills < kills:
            if self._random.random() < _KILLED_AT_START:
                self._kill_while_starting()
            self._kill_under_load(self._neighbour() if strikes and self._random.random() < _STRUCK else None)
            self.tally.kills += 1
        return self._end()

    def strike(self, kills: int) -> Tally:
        """Kill so many times what the archive stands on, by turns, while it goes on; then look at everything."""
        server = self._start()
        try:
            with self._load(server):
                for _ in range(kills):
                    self._pause(0.2, 1.0)
                    neighbour = self._neighbour()
                    self._strike(neighbour)
                    self._pause(0.0, 0.5)
                    neighbour.start()
                    self._wait_for_more()
            self._check(server)
        finally:
            code = stop(server)
        if code:
            self.tally.problems.append(f"it did not end well: {server.log[-2_000:]}")
        return self._end()

    # What happens

    def _kill_while_starting(self) -> None:
        server = launch(self._directory, self._options, self._settings)
        self._pause(0.3, 1.5)
        kill(server)
        self.tally.kills += 1

    def _kill_under_load(self, neighbour: Neighbour | None) -> None:
        """Kill the archive, before or after a neighbour that was killed is back."""
        server = self._start()
        self._check(server)
        is_back_first = self._random.random() < 0.5
        with self._load(server):
            self._pause(0.01, self._ground.longest_life_s)
            if neighbour is not None:
                self._strike(neighbour)
                self._pause(0.0, 0.5)
                if is_back_first:
                    neighbour.start()
                    self._pause(0.0, 0.5)
            kill(server)
        if neighbour is not None and not is_back_first:
            neighbour.start()

    def _neighbour(self) -> Neighbour:
        """Say whose turn it is."""
        return self._ground.neighbours[self.tally.struck % len(self._ground.neighbours)]

    def _strike(self, neighbour: Neighbour) -> None:
        self._may_refuse = True
        neighbour.kill()
        self.tally.struck += 1

    def _start(self) -> Server:
        started = time.monotonic()
        server = launch(self._directory, self._options, self._settings)
        server.wait_until_ready(2 * READY_WITHIN_S)  # one that takes longer than it may is told, not lost
        took = time.monotonic() - started
        self.tally.slowest_start_s = max(self.tally.slowest_start_s, took)
        return server

    @contextmanager
    def _load(self, server: Server) -> Iterator[None]:
        """Send, and remove if that is wanted, until the end of the block."""
        ended = threading.Event()
        threads = [threading.Thread(target=sender.run, args=(server.port, ended)) for sender in self._senders]
        if self._is_removing:
            threads.append(threading.Thread(target=self._remove, args=(server, ended)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _remove(self, server: Server, ended: threading.Event) -> None:
        """Remove some of what was acknowledged, until the server is gone."""
        with suppress(OSError, HTTPException):
            while not ended.is_set():
                left = [uid for uid in self._acknowledged() if uid not in self._asked]
                if len(left) < 2:
                    ended.wait(0.02)
                    continue
                uid = self._random.choice(left[-20:])
                self._asked.add(uid)
                answer = ask(server.http_port, "DELETE", f"/studies/{STUDY}/series/{SERIES}/instances/{uid}")
                if answer.status == 200:
                    self._removed.add(uid)

    def _pause(self, shortest_s: float, longest_s: float) -> None:
        threading.Event().wait(self._random.uniform(shortest_s, longest_s))

    def _wait_for_more(self) -> None:
        """Wait until every sender has been answered anew."""
        before = [len(sender.acknowledged) for sender in self._senders]

        def all_were() -> bool:
            return all(len(sender.acknowledged) > count for sender, count in zip(self._senders, before, strict=True))

        if not wait_until(all_were, ANSWERED_AGAIN_WITHIN_S):
            self.tally.problems.append(f"somebody was not answered within {ANSWERED_AGAIN_WITHIN_S} s")

    # What is left

    def _acknowledged(self) -> dict[str, Sent]:
        return {sent.uid: sent for sender in self._senders for sent in list(sender.acknowledged)}

    def _end(self) -> Tally:
        server = self._start()
        try:
            self._checked = [0] * _SENDERS
            self._check(server)
            self._check_agreement(server)
            self._check_found(server)
        finally:
            stop(server)
        self.tally.acknowledged = sum(len(sender.acknowledged) for sender in self._senders)
        self.tally.removed = len(self._removed)
        return self.tally

    def _check(self, server: Server) -> None:
        """Look at what was acknowledged since the last look, and at `incoming/`, which a start empties."""
        if server.incoming():
            self.tally.problems.append(f"left in incoming/ after {self.tally.kills} kills: {server.incoming()}")
        rows = {row.sop_instance_uid: row for row in server.rows()}
        for number, sender in enumerate(self._senders):
            for sent in sender.acknowledged[self._checked[number] :]:
                if sent.uid not in self._asked:
                    self._check_one(server, sent, rows.get(sent.uid))
            self._checked[number] = len(sender.acknowledged)
            self._check_refused(sender)
        self.tally.problems += [f"{uid} was removed and is there" for uid in sorted(self._removed & rows.keys())]

    def _check_refused(self, sender: Sender) -> None:
        """Nobody is refused but for what a neighbour's end has brought."""
        allowed = {Status.OUT_OF_RESOURCES} if self._may_refuse else set()
        wrong = [one for one in sender.refused if one[1] not in allowed]
        self.tally.problems += [f"{sent.uid} refused with {status:04X}H" for sent, status in wrong]
        self.tally.refused += len(sender.refused)
        sender.refused.clear()

    def _check_one(self, server: Server, sent: Sent, row: StoredInstance | None) -> None:
        if row is None:
            self.tally.problems.append(f"{sent.uid} was acknowledged and has no row after {self.tally.kills} kills")
            return
        data = self._ground.data(server, row)
        if not data or data[decode_file_meta(data)[1] :] != sent.dataset():
            self.tally.problems.append(f"{sent.uid} was acknowledged and differs after {self.tally.kills} kills")

    def _check_agreement(self, server: Server) -> None:
        """Compare rows and objects, once everything is where it belongs."""
        kept = {row.path for row in server.rows()}
        ground = self._ground
        if not wait_until(lambda: not ground.left(server) and ground.placed(server) == kept, ground.settled_within_s):
            self.tally.problems += disagreements(kept, ground.placed(server))
            self.tally.problems += [f"left: {path}" for path in ground.left(server)]

    def _check_found(self, server: Server) -> None:
        """Search for everything, as anybody does."""
        found: set[str] = set()
        while True:
            answer = ask(server.http_port, "GET", f"/instances?limit={_PAGE}&offset={len(found)}")
            page = json.loads(answer.body) if answer.status == 200 else []
            found |= {one["00080018"]["Value"][0] for one in page}
            if len(page) < _PAGE:
                break
        lost = sorted(self._acknowledged().keys() - self._asked - found)
        self.tally.problems += [f"{uid} was acknowledged and is not found" for uid in lost]


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


def storms(
    directory: Path, kills: int, *, seed: int, ground: Callable[[], Ground], report: Callable[[Tally], None]
) -> Iterable[Tally]:
    """Run storms of at most 50 kills, each over a new archive, so that the disk does not fill; yield their tallies."""
    for number, start in enumerate(range(0, kills, 50)):
        place, made = directory / f"storm{number}", ground()
        tally = Storm(place, seed + number, ground=made).run(min(50, kills - start), strikes=bool(made.neighbours))
        report(tally)
        if not tally.problems:
            shutil.rmtree(place)
        yield tally
