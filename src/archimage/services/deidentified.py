"""Studies without those whom they are about, for projects: as new studies of this archive, or object by object.

A copy in the archive bears the project's name as its label. Its UIDs are made of the originals' under the project's
secret, so that whoever asks twice gets the same study, and what is kept by then is not kept again.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import CancelledError as NeverRun
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar, cast

from archimage.dicom.deidentify.options import Option
from archimage.errors import (
    ArchimageError,
    CancelledError,
    ConflictError,
    DuplicateInstanceError,
    InvalidRequestError,
)
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.model.tasks import Task
from archimage.ports.pixels import JsonValue
from archimage.ports.storage import BlobReader
from archimage.services.frames import FrameService
from archimage.services.labels import LabelService
from archimage.services.projects import ProjectService, checked
from archimage.services.store import Expected, StoreService
from archimage.services.tasks import Progress, TaskService

if TYPE_CHECKING:
    from archimage.services.deidentification import Deidentified

AHEAD: Final = 4
"""Objects of one request that are made at once."""
_PIECE_BYTES: Final = 1 << 20
_TOLD_PROBLEMS: Final = 100
_CLOSING: Final = "the archive is closing"

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was given away of a study without identifiers: how many objects of which class, and which were not."""

    study_instance_uid: str
    project: str
    sop_classes: Counter[str] = field(default_factory=Counter)
    failed_uids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Copied:
    """What became of a study's objects; completed are those that are there now, stored those that were not before.

    study_instance_uid is that of the copy, empty where there is none; problems tells why the first objects that were
    refused were, by SOP Instance UID of the original.
    """

    project: str
    study_instance_uid: str = ""
    completed: int = 0
    stored: int = 0
    failed: int = 0
    problems: dict[str, str] = field(default_factory=dict)


class DeidentifiedService:
    """De-identifies studies; all of it blocks. told hears of each study that was given away, or of a part of it."""

    def __init__(
        self,
        projects: ProjectService,
        frames: FrameService,
        store: StoreService,
        labels: LabelService,
        tasks: TaskService,
        threads: Executor,
    ) -> None:
        self.told: Callable[[Exported], None] = lambda _: None
        self._projects = projects
        self._frames = frames
        self._store = store
        self._labels = labels
        self._tasks = tasks
        self._threads = threads

    def copy(self, study_instance_uid: str, purpose: Purpose) -> Task:
        """Begin to make a copy of a study in this archive.

        Raises:
            InvalidRequestError: the project or the options cannot be, or UIDs were to be kept.
            InvalidInstanceUIDError: the UID is none.
            NotFoundError: there is no such study.
        """
        if Option.RETAIN_UIDS in checked(purpose):
            raise InvalidRequestError(
                f"{Option.RETAIN_UIDS}: a copy beside its original has UIDs of its own",
                next_step="Leave the option out, or have the copy given as an archive.",
            )
        instances = self._frames.instances(study_instance_uid)

        def work(progress: Progress) -> JsonValue:
            copying = _Copying(study_instance_uid, purpose, self._store, self._labels)
            try:
                self._copy(instances, copying, progress)
            finally:
                self.told(copying.exported)
            return cast("JsonValue", asdict(copying.copied))

        return self._tasks.start("deidentify", f"De-identify {len(instances)} objects for {purpose.project}", work)

    def each(
        self, study_instance_uid: str, purpose: Purpose
    ) -> Generator["Deidentified | ArchimageError | OSError", None, None]:
        """Begin to yield the objects of a study without identifiers, open until closed, or why there is none.

        Raises what `copy` raises, before the first of them.
        """
        checked(purpose)
        return self._each(study_instance_uid, self._frames.instances(study_instance_uid), purpose)

    def _copy(self, instances: Sequence[StoredInstance], copying: "_Copying", progress: Progress) -> None:
        faces = self._projects.faces(instances, copying.purpose)

        def keep(instance: StoredInstance) -> bool:
            return copying.keep(instance, self._projects.deidentify(instance, copying.purpose, faces))

        with closing(ahead(instances, keep, self._threads)) as outcomes:
            for number, (instance, outcome) in enumerate(outcomes, 1):
                copying.count(instance, outcome)
                progress.tell(number, len(instances))

    def _each(
        self, study_instance_uid: str, instances: Sequence[StoredInstance], purpose: Purpose
    ) -> Generator["Deidentified | ArchimageError | OSError", None, None]:
        exported = Exported(study_instance_uid, purpose.project)
        faces = self._projects.faces(instances, purpose)

        def make(instance: StoredInstance) -> "Deidentified":
            return self._projects.deidentify(instance, purpose, faces)

        coming = ahead(instances, make, self._threads, lambda made: made.file.close())
        try:
            for instance, made in coming:
                if isinstance(made, Exception):
                    exported.failed_uids.append(instance.sop_instance_uid)
                else:
                    exported.sop_classes[instance.sop_class_uid] += 1
                yield made
        finally:
            coming.close()
            self.told(exported)


class _Copying:
    """One copy on its way into the archive."""

    def __init__(self, study_instance_uid: str, purpose: Purpose, store: StoreService, labels: LabelService) -> None:
        self.purpose = purpose
        self.copied = Copied(purpose.project)
        self.exported = Exported(study_instance_uid, purpose.project)
        self._store = store
        self._labels = labels
        self._original = study_instance_uid
        self._labelled: set[str] = set()

    def keep(self, instance: StoredInstance, made: "Deidentified") -> bool:
        """Store a copy, and have its study labelled; tell whether it was not there before."""
        with made.file as file:
            if made.study_instance_uid == self._original or made.sop_instance_uid == instance.sop_instance_uid:
                raise ConflictError("its UIDs are such as the standard itself defines, and stay what they are")
            described = made.instance
            expected = Expected(described.transfer_syntax_uid, described.sop_class_uid, described.sop_instance_uid)
            outcome = self._store.store(expected, pieces_of(file, described.data_set_offset))
        if made.study_instance_uid not in self._labelled:
            self._labels.add(made.study_instance_uid, self.purpose.project)
            self._labelled.add(made.study_instance_uid)
        self.copied.study_instance_uid = made.study_instance_uid
        return outcome.kind != "duplicate"

    def count(self, instance: StoredInstance, outcome: bool | ArchimageError | OSError) -> None:
        """Count what became of one."""
        if isinstance(outcome, bool):
            self.copied.completed += 1
            self.copied.stored += outcome
            self.exported.sop_classes[instance.sop_class_uid] += 1
            return
        self.copied.failed += 1
        self.exported.failed_uids.append(instance.sop_instance_uid)
        if len(self.copied.problems) < _TOLD_PROBLEMS:
            self.copied.problems[instance.sop_instance_uid] = _why(outcome)


def pieces_of(file: BlobReader, offset: int = 0) -> Generator[bytes, None, None]:
    """Yield the bytes of a file from an offset on."""
    for start in range(offset, file.size_bytes, _PIECE_BYTES):
        yield file.read(start, min(_PIECE_BYTES, file.size_bytes - start))


def _why(error: ArchimageError | OSError) -> str:
    """Say why an object was not copied; what is said quotes nothing of it."""
    from archimage.services.deidentification import reason_of

    if isinstance(error, DuplicateInstanceError):
        return "another copy is kept already, of other options or an older original: delete that study first"
    return str(error) if isinstance(error, ConflictError) else reason_of(error)


def ahead(
    instances: Sequence[StoredInstance],
    work: Callable[[StoredInstance], Made],
    threads: Executor,
    drop: Callable[[Made], None] = lambda _: None,
) -> Generator[tuple[StoredInstance, Made | ArchimageError | OSError], None, None]:
    """Yield instances in their order, each with what work makes of it or raises, a few ahead; drop what is left.

    Raises:
        CancelledError: the archive is closing.
    """
    waiting: deque[tuple[StoredInstance, Future[Made]]] = deque()
    left = iter(instances)
    try:
        while True:
            while len(waiting) < AHEAD and (instance := next(left, None)) is not None:
                waiting.append((instance, _submitted(threads, work, instance)))
            if not waiting:
                return
            instance, future = waiting.popleft()
            try:
                made: Made | ArchimageError | OSError = future.result()
            except (ArchimageError, OSError) as error:
                made = error
            except NeverRun:
                raise CancelledError(_CLOSING) from None
            yield instance, made
    finally:
        for _, future in waiting:
            if not future.cancel():
                with suppress(Exception):
                    drop(future.result())


def _submitted(threads: Executor, work: Callable[[StoredInstance], Made], instance: StoredInstance) -> Future[Made]:
    try:
        return threads.submit(work, instance)
    except RuntimeError:
        raise CancelledError(_CLOSING) from None
