"""Scrubbing, wired: rounds through all objects in the background, one at a time, and one that is asked for.

The index keeps how far a round is, so that the next process goes on where one has stopped, and when the next is due.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from archimage.config_scrub import ScrubConfig
from archimage.errors import ConfigError, IntegrityError
from archimage.index.nodes import Database
from archimage.index.scrubs import ScrubTable
from archimage.logger import logger
from archimage.model.scrub import Damage, Round
from archimage.ports.backup import Copies
from archimage.ports.index import Index
from archimage.ports.storage import BlobStore
from archimage.ports.turns import TakeTurn, Turn
from archimage.services.health import Figures, HealthService
from archimage.services.scrub import SHOWN, NoCopies, Pace, Scrubbed, Scrubber, Told
from archimage.storage.copies import copies_in

_DAY_S: Final = 86_400
_LOOK_EVERY_S: Final = 600.0
_ARRIVING_S: Final = 86_400.0
_log = logger("storage")


@dataclass(frozen=True, slots=True)
class Scrubbable:
    """What of an archive is needed: its index, as such and as a database, its objects, and whose turn it is.

    is_shared tells that other nodes have objects which are yet to be uploaded.
    """

    index: Index
    database: Database
    blobs: BlobStore
    take_turn: TakeTurn
    is_shared: bool = False


class Scrubbing:
    """Scrubs an archive; `start` begins rounds in the background, by the settings. `close` it.

    clock tells the time in seconds since 1970.
    """

    def __init__(
        self,
        config: ScrubConfig,
        archive: Scrubbable,
        told: Told,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._clock = clock
        self._ended = threading.Event()
        self.table = ScrubTable(archive.database)
        """What is known to be damaged."""
        self._archive = archive
        self._told = told
        self.scrubber = self._scrubber(self._ended)
        self._take_turn = archive.take_turn
        self._thread = threading.Thread(target=self._run, name="scrubbing")

    def checker(self) -> tuple[Scrubber, Copies]:
        """Return what looks at single objects, as long as somebody wants it, and the second copies of the settings."""
        checker = self._scrubber(threading.Event())
        checker.meter = self.scrubber.meter
        return checker, self._copies()

    def _scrubber(self, ended: threading.Event) -> Scrubber:
        archive = self._archive
        made = Scrubber(self.table, archive.index, archive.blobs, self._told, ended=ended)
        made.arriving_s = _ARRIVING_S if archive.is_shared else 0.0
        return made

    def start(self) -> None:
        """Begin rounds in the background, where there are to be any."""
        if self._config.every_days:
            self._thread.start()

    def close(self) -> None:
        """Stop; the next start goes on."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def health(self, health: HealthService) -> None:
        """Have told whether all objects are well, as far as is known; objects are received even if not."""
        health.add("objects", self.check, needed=False)

    def check(self) -> Figures:
        """Tell how many objects were read again; raise IntegrityError where some are known to be damaged."""
        if count := self.table.count():
            first = self.table.damaged(1)
            named = f", the first of them {first[0].path}: {first[0].fault}" if first else ""
            raise IntegrityError(
                f"{count} stored objects are damaged{named}",
                next_step="Mend them with `archimage scrub --repair-from` and a directory of backups.",
            )
        now = self.table.round() or Round()
        return {"damaged": 0, "scrubbed": now.objects, "ended_at": now.ended_at}

    def run_once(self, directory: Path | None = None) -> Iterator[Scrubbed]:
        """Look at every object at once, and mend of the copies in a directory, else of those of the settings.

        Raises:
            ConfigError: there are no copies in it.
        """
        began_at = self._clock()
        configured = Path(self._config.repair_from) if self._config.repair_from else None
        place = directory or configured
        seen = Scrubbed()
        for seen in self.scrubber.run(copies_in(place) if place else NoCopies(), Pace(0, self._ended.wait)):
            yield seen
        self.table.keep(self._over(Round(began_at=began_at, objects=seen.objects, size_bytes=seen.size_bytes)))

    def damaged(self) -> list[Damage]:
        """Return what is known to be damaged, of which there may be more."""
        return list(self.table.damaged(SHOWN))

    def work(self) -> float:
        """Do what is due of rounds in the background; return in how many seconds there may be more."""
        now = self._clock()
        before = self.table.round()
        if before is None:
            self.table.keep(Round(due_at=now + self._config.every_days * _DAY_S))
            return _LOOK_EVERY_S
        if not before.began_at and now < before.due_at:
            return min(_LOOK_EVERY_S, before.due_at - now)
        turn = self._take_turn()
        if turn is not None:
            try:
                self._go_on(self.table.round() or before, turn)
            finally:
                turn.close()
        return _LOOK_EVERY_S

    def _go_on(self, before: Round, turn: Turn) -> None:
        """Begin a round, or go on with one, to its end, until the process ends or the turn is another's."""
        began = before if before.began_at else Round(began_at=self._clock(), ended_at=before.ended_at)
        pace, done, unread = Pace(self._config.bytes_per_s, self._ended.wait), began, 0
        for seen in self.scrubber.run(self._copies(), pace, began.after):
            objects, size_bytes = began.objects + seen.objects, began.size_bytes + seen.size_bytes
            done = replace(began, after=seen.after, objects=objects, size_bytes=size_bytes)
            self.table.keep(done)
            unread = seen.unread
            if not turn.is_held():
                return
        if not self._ended.is_set():
            self.table.keep(self._over(done))
            if unread:
                _log.warning("a round is over, but objects of a tier that was away were not read", objects=unread)
                return
            _log.info("all stored objects were read again", objects=done.objects, size_bytes=done.size_bytes)

    def _over(self, done: Round) -> Round:
        """Return how it stands once a round is over."""
        due_at = done.began_at + self._config.every_days * _DAY_S
        return replace(done, due_at=due_at, began_at=0.0, after=0, ended_at=self._clock())

    def _copies(self) -> Copies:
        """Open the second copies of the settings; where they cannot be reached now, damage is only told."""
        if not self._config.repair_from:
            return NoCopies()
        try:
            return copies_in(Path(self._config.repair_from))
        except ConfigError as error:
            _log.warning("damaged objects cannot be mended: there is no second copy", reason=str(error))
            return NoCopies()

    def _run(self) -> None:
        wait_s = 0.0
        while not self._ended.wait(wait_s):
            try:
                wait_s = self.work()
            except Exception as error:  # a fault of ours must not end the only thread that scrubs
                _log.error("scrubbing is interrupted", reason=str(error))
                wait_s = _LOOK_EVERY_S
