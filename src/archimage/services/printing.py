"""Print jobs: kept before they are promised, made into pictures by the pixel workers, and handed on.

A job is a row, its films are files; both outlive the association, the process and a crash. Which process makes it, and
when it is tried again, is for `services.deliveries`.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from archimage.config_print import PrintConfig
from archimage.dicom.film.description import Film
from archimage.errors import (
    ArchimageError,
    ConflictError,
    NotFoundError,
    OutOfResourcesError,
    StorageError,
    UnavailableError,
)
from archimage.logger import logger
from archimage.model.deliveries import Delivery
from archimage.model.jobs import Priority
from archimage.model.printing import JobState, PrintJob
from archimage.ports.pixels import JsonValue, PixelWork
from archimage.ports.print import FilmFiles, PrintJobs
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services import printattributes as attributes
from archimage.services import scoped
from archimage.services.datasets import text
from archimage.services.deliveries import DeliveryService, made
from archimage.services.filmsession import FilmSession, Printed, new_uid
from archimage.services.store import Expected, StoreService

KIND: Final = "print"
"""The kind of delivery that makes a job."""
MAX_SHOWN: Final = 1_000
_TRIED_FOR_S: Final = 3_600.0
_ORPHANED_S: Final = 3_600.0
_FORGOTTEN_AT_ONCE: Final = 100
_PRIORITIES: Final = {"HIGH": Priority.HIGH, "LOW": Priority.LOW}
_WAITING: Final = (JobState.PENDING, JobState.PRINTING)
_PASSING: Final = (UnavailableError, StorageError, OutOfResourcesError, OSError)
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_log = logger("task")

ToPaper = Callable[[str, bytes, PrintJob], None]
"""Prints a PDF on a queue; ArchimageError where that cannot be done."""


@dataclass(frozen=True, slots=True)
class PrintTools:
    """What printing is done with."""

    jobs: PrintJobs
    files: FilmFiles
    work: PixelWork
    store: StoreService
    deliveries: DeliveryService
    to_paper: ToPaper
    fault: Callable[[], str]
    """Says why nothing can be printed on paper, empty where it can."""


class PrintService:
    """Keeps and makes print jobs; all of it blocks."""

    def __init__(self, tools: PrintTools, config: PrintConfig, now: Callable[[], float] = time.time) -> None:
        self.config = config
        self._tools = tools
        self._now = now
        self.told: Callable[[PrintJob], None] = lambda _: None
        """Hears of jobs that somebody has printed."""

    def session(self) -> FilmSession:
        """Begin the film session of an association; `close` it."""
        return FilmSession(self._tools.files.spool, self.config.dpi, self.config.max_session_bytes)

    def submit(self, printed: Printed, printer: str, originator: str) -> PrintJob:
        """Keep a job that is to be printed; durable when this returns.

        Raises:
            OutOfResourcesError: too many jobs wait.
        """
        values = printed.values
        job = PrintJob(
            new_uid(),
            printer,
            originator,
            text(values, attributes.LABEL),
            text(values, attributes.PRIORITY) or "MED",
            int(text(values, attributes.COPIES) or 1),
            printed.count,
            self.config.dpi,
            self._now(),
        )
        self._forget()
        self._tools.store.room.check()
        try:
            for number, (film, pixels) in enumerate(printed.films(), 1):
                self._tools.files.add(job.uid, number, film.to_json(), pixels)
            if not self._tools.jobs.add(job, self.config.max_jobs):
                raise OutOfResourcesError("the print queue is full")
        except BaseException:
            self._tools.files.remove(job.uid)
            raise
        self._hand_over(job)
        return job

    def fault(self) -> str:
        """Return what the printer lacks, empty where it works."""
        return self._tools.fault() if self.config.output == "cups" else ""

    def find(
        self, *, state: JobState | None = None, before: float | None = None, limit: int = 100
    ) -> Sequence[PrintJob]:
        """Return the newest jobs, in one state, and made before a time, where these are given."""
        scoped.check({})
        return self._tools.jobs.find(state=state, before=before, limit=min(limit, MAX_SHOWN))

    def get(self, uid: str) -> PrintJob:
        """Return a job; NotFoundError where it is not kept."""
        scoped.check({})
        return self.known(uid)

    def known(self, uid: str) -> PrintJob:
        """Return a job to whoever had it printed, which knows its UID."""
        job = self._tools.jobs.get(uid)
        if job is None:
            raise NotFoundError("no print job of this UID is kept")
        return job

    def picture(self, uid: str, number: int) -> bytes:
        """Return a film as PNG; the first is 1."""
        self._check_film(self.get(uid), number)
        return self._tools.files.picture(uid, number)

    def document(self, uid: str, number: int | None = None) -> bytes:
        """Return a film, or without a number all of them, as PDF."""
        job = self.get(uid)
        if number is not None:
            self._check_film(job, number)
        return self._pdf(job, range(1, job.films + 1) if number is None else [number])

    def reprint(self, uid: str) -> PrintJob:
        """Print a job once more, whatever became of it; ConflictError while it waits."""
        job = self.get(uid)
        if not self._tools.jobs.move(uid, [state for state in JobState if state.is_over], JobState.PENDING, None, ""):
            raise ConflictError(f"the print job is {job.state}; what is printed or failed is printed again")
        self._hand_over(job)
        return self.get(uid)

    def cancel(self, uid: str) -> PrintJob:
        """Print a job that waits no more; ConflictError where it does not."""
        job = self.get(uid)
        if not self._tools.jobs.move(uid, _WAITING, JobState.CANCELLED, self._now(), "cancelled"):
            raise ConflictError(f"the print job is {job.state}; only what waits can be cancelled")
        return self.get(uid)

    def remove(self, uid: str) -> None:
        """Forget a job and its films; one that waits is not printed."""
        self.get(uid)
        self._remove(uid)

    def make(self, delivery: Delivery) -> None:
        """Print the job that a delivery is about; raises what passes by itself, after which it is tried again."""
        job = self._tools.jobs.get(delivery.about)
        if job is None or not self._tools.jobs.move(job.uid, _WAITING, JobState.PRINTING, None, ""):
            return
        try:
            self._print(job)
        except _PASSING as error:
            if self._now() - delivery.created_at < _TRIED_FOR_S:
                self._tools.jobs.move(job.uid, _WAITING, JobState.PENDING, None, str(error))
                raise
            self._fail(job, error)
        except ArchimageError as error:
            self._fail(job, error)
        else:
            self._tools.jobs.move(job.uid, [JobState.PRINTING], JobState.DONE, self._now(), "")

    def start(self) -> None:
        """Forget what is too old, and films of which a crash has left no job."""
        for uid in self._tools.files.jobs(_ORPHANED_S):
            if self._tools.jobs.get(uid) is None:
                self._tools.files.remove(uid)
        self._forget()

    def _hand_over(self, job: PrintJob) -> None:
        self.told(job)
        lane = f"{KIND} {job.printer} {job.priority}"
        one = made(KIND, job.printer, job.uid, "", self._now(), lane=lane)
        self._tools.deliveries.add_all([replace(one, priority=_PRIORITIES.get(job.priority, Priority.NORMAL))])

    def _fail(self, job: PrintJob, error: Exception) -> None:
        _log.warning("a print job failed", job=job.uid, reason=str(error))
        self._tools.jobs.move(job.uid, _WAITING, JobState.FAILED, self._now(), str(error))

    def _print(self, job: PrintJob) -> None:
        for number in range(1, job.films + 1):
            with suppress(NotFoundError):  # it is a picture already
                self._paint(job, number)
        if self.config.output == "store":
            for number in range(1, job.films + 1):
                self._store(job, number)
        elif self.config.output == "cups":
            queue = self.config.queues.get(job.printer) or self.config.queue
            self._tools.to_paper(queue, self._pdf(job, range(1, job.films + 1)), job)

    def _paint(self, job: PrintJob, number: int) -> None:
        pixels = memoryview(self._tools.files.pixels(job.uid, number))
        plain = dict(self._tools.files.film(job.uid, number))
        film, each, begin = Film.from_json(plain), [], 0
        for image in film.images:
            each.append(pixels[begin : begin + image.length])
            begin += image.length
        _, png = self._tools.work.submit("paint_film", plain, each).result()
        self._tools.files.put_picture(job.uid, number, png)

    def _pdf(self, job: PrintJob, numbers: Iterable[int]) -> bytes:
        films = [self._tools.files.picture(job.uid, number) for number in numbers]
        return self._tools.work.submit("bind_films", {"dpi": job.dpi}, films).result()[1]

    def _store(self, job: PrintJob, number: int) -> None:
        """Store a film as an object, whose UIDs are made of the job's: one that is printed again is the same."""
        at = datetime.fromtimestamp(job.created_at).astimezone()
        uid = _uid_of(job.uid, number)
        identity: dict[str, JsonValue] = {
            "sop_instance_uid": uid,
            "study_instance_uid": job.uid,
            "series_instance_uid": _uid_of(job.uid, "series"),
            "number": number,
            "date": f"{at:%Y%m%d}",
            "time": f"{at:%H%M%S}",
            "label": job.label,
            "station": job.printer,
            "dpi": job.dpi,
        }
        film = self._tools.files.picture(job.uid, number)
        _, data = self._tools.work.submit("film_object", identity, [film]).result()
        expected = Expected(EXPLICIT_VR_LITTLE_ENDIAN, SECONDARY_CAPTURE, uid, job.originator)
        self._tools.store.store(expected, iter([data]))

    def _check_film(self, job: PrintJob, number: int) -> None:
        if not 1 <= number <= job.films:
            raise NotFoundError(f"the print job has no film {number}")

    def _forget(self) -> None:
        before = self._now() - self.config.keep_days * 86_400
        for uid in self._tools.jobs.ended(before, _FORGOTTEN_AT_ONCE):
            self._remove(uid)

    def _remove(self, uid: str) -> None:
        self._tools.jobs.remove(uid)
        self._tools.files.remove(uid)


def _uid_of(job: str, part: int | str) -> str:
    """Return the UID of a part of a job, the same whenever it is asked for (PS3.5 §B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{job}/{part}').int}"
