"""What is kept in an object store gets there, and what was removed goes from there, however often this is interrupted.

Objects lie on the local disk, acknowledged, and are uploaded from there by one process at a time. Before it begins to
send one it moves it to a place of its own (a claim), so that after a crash it is known what may have been sent. When it
was sent, the row is looked at while every other writer of the index is kept out: an object that was removed meanwhile,
or was never acknowledged, is to be deleted in the object store again. Deleting works in the same way, only where no row
names the object. So what was removed does not come back, and what was stored anew is not deleted.

What is to be deleted is noted in the index before, and for hours after. Whoever has sent an object to its path just
now, and is about to add its row, sees that, and sends it elsewhere; without a note it is there.

While objects arrive, uploading gives way to them, unless the oldest has waited for a minute.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from archimage.errors import ArchimageError, UnavailableError
from archimage.logger import logger
from archimage.model.records import StoredInstance
from archimage.ports.index import Index, IndexWriter
from archimage.ports.spool import Spool, Waiting
from archimage.ports.turns import TakeTurn, Turn, kept
from archimage.services.layout import sop_instance_uid_of

_GROUP: Final = 64
_GROUP_MEANWHILE: Final = 4
"""So many objects a second are uploaded while others arrive."""
_LOOK_EVERY_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 5.0
_ARRIVING_S: Final = 1.0
_OVERDUE_S: Final = 60.0
_COUNTED: Final = 10_000
_COUNTED_S: Final = 2.0
_SLOWEST: Final = 6
"""How often the time for an upload is doubled at most."""
REMEMBERED_S: Final = 6 * 3_600.0
"""How long deletions stay noted; by far longer than anybody relies on what he has sent, and than clocks differ."""
_FORGET_EVERY_S: Final = 3_600.0
_log = logger("storage")


@dataclass(frozen=True, slots=True)
class Pace:
    """How objects are taken to the object store.

    timeout_s   for one request on a good line, seconds
    settled_s   how long an object stays with whoever stores it before it may be uploaded here, seconds
    """

    timeout_s: float
    settled_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be uploaded; of very much only a part is counted."""

    objects: int = 0
    size_bytes: int = 0
    oldest_s: float = 0.0


class SpoolService:
    """Uploads and deletes in a thread of its own, from `start` to `close`; senders are threads that do the sending."""

    def __init__(
        self,
        spool: Spool,
        index: Index,
        take_turn: TakeTurn,
        senders: Executor,
        pace: Pace,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._index = index
        self._take_turn = take_turn
        self._senders = senders
        self._pace = pace
        self._now = now
        self._forgotten_at = 0.0
        self._turn: Turn | None = None
        self._failures = 0
        self._slowness = 0
        self._failure: ArchimageError | None = None
        self._counted = Backlog()
        self._counted_at = -_COUNTED_S
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="object-store")

    def start(self) -> None:
        """Begin, with what was left when the server stopped."""
        self._thread.start()

    def close(self) -> None:
        """Stop after what is being sent; the next start goes on."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def backlog(self) -> Backlog:
        """What waits to be uploaded, as it was a moment ago; blocks."""
        now = time.monotonic()
        if now - self._counted_at >= _COUNTED_S:
            found = self._spool.waiting(_COUNTED)
            self._counted = Backlog(
                len(found), sum(one.size_bytes for one in found), max((one.age_s for one in found), default=0.0)
            )
            self._counted_at = now
        return self._counted

    def check(self) -> Mapping[str, int | float]:
        """Return what waits; UnavailableError where the object store does not answer."""
        self._spool.check()
        if self._failure is not None:
            raise self._failure
        backlog = self.backlog
        return {
            "waiting": backlog.objects,
            "waiting_bytes": backlog.size_bytes,
            "oldest_s": round(backlog.oldest_s, 1),
        }

    def work(self) -> bool:
        """Do what there is, one group of it; true where to go on at once. Raises what the object store fails of."""
        if self._failures:
            self._spool.check()
        claimed = self._spool.claimed()
        deleted = self._delete_removed(claimed)
        waiting = self._spool.waiting(_COUNTED)
        arriving = _is_arriving(waiting)
        width = _GROUP_MEANWHILE if arriving else _GROUP
        due = [one.path for one in waiting if one.age_s >= self._pace.settled_s]
        taken = [path for path in due[: max(width - len(claimed), 0)] if self._spool.claim(path)]
        return (self._carry([*claimed, *taken]) or deleted) and not arriving

    def _run(self) -> None:
        while not self._ended.is_set():
            self._ended.wait(self._attempt())
        if self._turn is not None:
            self._turn.close()

    def _attempt(self) -> float:
        """Do a group where it is this process's turn; return after how many seconds to go on."""
        try:
            self._turn = kept(self._turn, self._take_turn)
            more = self._turn is not None and self.work()
        except Exception as error:  # a fault of ours must not end the only thread that uploads
            return self._failed(error)
        if self._failures:
            _log.info("the object store works again")
        self._failures, self._failure = 0, None
        return 0.0 if more else _LOOK_EVERY_S

    def _failed(self, error: Exception) -> float:
        """Note a failure; return how long to wait, by chance more or less, so that not all come back at once."""
        self._failure = error if isinstance(error, ArchimageError) else UnavailableError(repr(error))
        if not self._failures:
            _log.error("the object store does not take objects; they wait on the local disk", reason=str(error))
        self._failures += 1
        longest = min(_LOOK_EVERY_S * 2 ** min(self._failures, 8), _LONGEST_PAUSE_S)
        return random.uniform(longest / 2, longest)  # noqa: S311 - nothing secret

    def _carry(self, paths: Sequence[str]) -> bool:
        """Upload what is claimed, several at once; true where there was something. Raises the first failure."""
        timeout_s = self._pace.timeout_s * 2**self._slowness
        sending = {path: self._senders.submit(self._spool.upload, path, timeout_s) for path in paths}
        failures = {path: failure for path, one in sending.items() if (failure := one.exception()) is not None}
        done = [path for path in paths if path not in failures]
        for start in range(0, len(done), _GROUP):
            self._finish(done[start : start + _GROUP])
        if failures:
            self._slowness = min(self._slowness + 1, _SLOWEST)
            raise next(iter(failures.values()))
        if paths and self._slowness:
            self._slowness -= 1
        return bool(paths)

    def _finish(self, paths: Sequence[str]) -> None:
        """Let what was uploaded be a copy, unless nobody knows it any more."""
        removed = set(self._spool.removed(_COUNTED))
        with self._index.writing() as index:
            stored = _rows(index, paths)
            for path in paths:
                row = stored.get(sop_instance_uid_of(path))
                is_replaced = row is not None and path not in removed  # and is due to be deleted
                if _names(row, path) or is_replaced:
                    self._spool.settle(path)
                else:
                    self._spool.withdraw(path)

    def _delete_removed(self, claimed: Sequence[str]) -> bool:
        """Delete a group of what was removed, but for what is being uploaded; true where there was something."""
        paths = [path for path in self._spool.removed(_COUNTED) if path not in set(claimed)][:_GROUP]
        if not paths:
            return False
        self._spool.check()  # nobody is to wait for the index because the object store does not answer
        with self._index.writing() as index:
            gone = self._unnamed(index, paths)
            self._note_deletions(index, gone)
        self._index.sync()
        with self._index.writing() as index:
            gone = self._unnamed(index, gone)
            if gone:
                self._spool.remove(gone)
        return True

    def _unnamed(self, index: IndexWriter, paths: Sequence[str]) -> Sequence[str]:
        """Return those paths that no row names; what is at the others stays."""
        stored = _rows(index, paths)
        named = [path for path in paths if _names(stored.get(sop_instance_uid_of(path)), path)]
        self._spool.keep(named)
        return [path for path in paths if path not in named]

    def _note_deletions(self, index: IndexWriter, paths: Sequence[str]) -> None:
        """Note what is about to be deleted; forget now and then what was long ago."""
        now = self._now()
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            index.forget_deletions(now - REMEMBERED_S)
        index.note_deletions(paths, now)


def _rows(index: IndexWriter, paths: Sequence[str]) -> Mapping[str, StoredInstance]:
    return index.lookup([sop_instance_uid_of(path) for path in paths])


def _names(row: StoredInstance | None, path: str) -> bool:
    return row is not None and row.path == path


def _is_arriving(waiting: Sequence[Waiting]) -> bool:
    """Tell whether objects arrive, and none has waited too long."""
    if not waiting or waiting[0].age_s > _OVERDUE_S:
        return False
    return waiting[-1].age_s < _ARRIVING_S
