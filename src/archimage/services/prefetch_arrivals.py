"""Studies that arrive, each of which has its patient's earlier ones fetched, once.

The intake tells of the first object of a study, and nothing of that is kept: a thread has jobs made of it. Every few
seconds it also looks for studies that came without being told of, from another process, or before a crash. How far it
has looked is kept, and never passes a study of which no job was made; so is for which studies that was done.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from queue import Empty, SimpleQueue
from typing import Final

from archimage.errors import ArchimageError
from archimage.logger import logger
from archimage.model.events import InstanceStored
from archimage.model.exchange import Reason
from archimage.model.routing import Mark
from archimage.ports.routing import Arrivals, FetchedFor

LOOK_EVERY_S: Final = 5.0
MAX_STUDIES: Final = 10_000
OVERLAP_S: Final = 30.0
"""What came so long before the last look may have been committed after it."""
_KNOWN: Final = 10_000
_KEPT_S: Final = 90 * 86_400.0
_FORGET_EVERY_S: Final = 3_600.0
_PAGE: Final = 1_000
_LAST: Final = 1 << 62
"""A number that no instance has."""
_log = logger("task")


class ArrivingStudies:
    """Looks, in a thread of its own. `close` it."""

    def __init__(
        self,
        arrivals: Arrivals,
        fetched: FetchedFor,
        want: Callable[[Reason], None],
        nodes: Collection[str],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Have want make jobs of what comes, but for what comes from nodes, which was fetched itself."""
        self._arrivals = arrivals
        self._fetched = fetched
        self._want = want
        self._nodes = frozenset(nodes)
        self._now = now
        self._known: OrderedDict[str, None] = OrderedDict()
        self._heard: SimpleQueue[Reason | None] = SimpleQueue()
        self._looked_at: float | None = None
        self._forgotten_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End; what is not a job yet is found at the next start."""
        self._closing.set()
        self._heard.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def hear(self, event: InstanceStored) -> None:
        """Hear of an object, on the thread of the intake: this neither blocks nor looks at anything."""
        record = event.record
        study = record.values["study_instance_uid"]
        if record.source_ae_title in self._nodes or study in self._known:
            return
        self._known[study] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        values = record.values
        self._heard.put(Reason(values.get("patient_id", ""), study, values.get("body_part_examined", "")))

    def look(self) -> None:
        """Have jobs made for studies that came without being told of, since the last time or since a process died."""
        now = self._now()
        since = self._looked_at if self._looked_at is not None else self._fetched.looked()
        if since is None:
            self._fetched.look(now)  # what came before earlier studies were fetched at all has none fetched
            self._looked_at = now
            return
        found = self._arrivals.studies_since(since - OVERLAP_S, MAX_STUDIES)
        for study, _ in found:
            reason = self._reason(study, since - OVERLAP_S)
            if reason is not None:
                self._have_fetched(reason)
        self._looked_at = now if len(found) < MAX_STUDIES else max(newest for _, newest in found)
        if found:
            self._fetched.look(self._looked_at)
        if now - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = now
            self._fetched.forget(now - _KEPT_S)

    def _reason(self, study: str, since: float) -> Reason | None:
        """Return why a study that grew has others fetched; None where that was done, or all that came was fetched."""
        if self._fetched.is_done(study):
            return None
        came = self._arrivals.beyond(study, Mark(_LAST, since - 1e-3), _PAGE)
        first = next((one for one in came if one.source_ae_title not in self._nodes), None)
        if first is None:
            return None
        return Reason(first.values.get("patient_id", ""), study, first.values.get("body_part_examined", ""))

    def _have_fetched(self, reason: Reason) -> None:
        """Have jobs made for a study, once."""
        if not self._fetched.is_done(reason.study_instance_uid):
            self._want(reason)
            self._fetched.do(reason.study_instance_uid, self._now())

    def _run(self) -> None:
        due_at = time.monotonic()
        while not self._closing.is_set():
            try:
                reason = self._heard.get(timeout=max(0.0, due_at - time.monotonic()))
                if reason is not None:
                    self._have_fetched(reason)
            except Empty:
                due_at = time.monotonic() + LOOK_EVERY_S
                self._look_safely()
            except (ArchimageError, OSError) as error:  # the next look finds it
                _log.warning("earlier studies are not fetched", reason=str(error))

    def _look_safely(self) -> None:
        try:
            self.look()
        except (ArchimageError, OSError) as error:
            _log.warning("earlier studies wait for the index", reason=str(error))
        except Exception as error:  # a fault of ours must not end all fetching
            _log.error("a bug in fetching earlier studies", reason=repr(error))
