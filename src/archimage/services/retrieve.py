"""The retrieve use case: which instances an identifier names, their bytes, and the counting of sub-operations.

Ref: PS3.4 §C.4.2 (C-MOVE), §C.4.3 (C-GET).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from archimage.errors import BlobNotFoundError, InvalidQueryError
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.query import Condition, Exact, Query, UIDList
from archimage.model.records import StoredInstance
from archimage.ports.storage import BlobReader, BlobStore
from archimage.services.identifiers import Identifier
from archimage.services.matching import parse_match
from archimage.services.moved import moved_to
from archimage.services.query import Root
from archimage.services.visible import VisibleIndex


class RetrieveService:
    """Finds what is to be sent and opens it; all of it blocks."""

    def __init__(self, index: VisibleIndex, blobs: BlobStore) -> None:
        self._index = index
        self._blobs = blobs

    def select(self, root: Root, identifier: Identifier) -> tuple[StoredInstance, ...]:
        """Return every instance that the unique keys of identifier name; keys of other kinds are passed over.

        The key of the level itself must stand there; those above narrow the choice where they do.

        Raises:
            InvalidQueryError: the level or a key does not fit, or the level's key is missing.
            NotAuthorisedError: some of what they name may not be seen by whoever asks.
            IndexUnavailableError: the index does not answer.
        """
        root.check(identifier.level)
        query = Query(identifier.level, tuple(_conditions(identifier)))
        self._index.check_all(query)
        return tuple(instance for page in self._index.instances(query) for instance in page)

    def open(self, instance: StoredInstance) -> BlobReader:
        """Open the stored file; the data set begins at data_set_offset.

        Raises:
            BlobNotFoundError: the file is gone.
        """
        try:
            return self._blobs.open(instance.path, instance.size_bytes)
        except BlobNotFoundError:
            elsewhere = moved_to(self._index, instance)
            if elsewhere is None:
                raise
            return self._blobs.open(elsewhere.path, elsewhere.size_bytes)


def _conditions(identifier: Identifier) -> Iterator[Condition]:
    values = {key.tag: key.value for key in identifier.keys}
    for level in Level:
        if level.depth > identifier.level.depth:
            return
        attribute = UNIQUE_KEYS[level]
        text = values.get(attribute.tag, "")
        match = parse_match(text, attribute.vr)
        if isinstance(match, Exact | UIDList):
            yield Condition(attribute, match)
        elif text or level is identifier.level:
            raise InvalidQueryError(f"{attribute.keyword} must hold what to retrieve at level {identifier.level}")


class Outcome(Enum):
    """How one sub-operation ended."""

    COMPLETED = "completed"
    WARNING = "warning"
    FAILED = "failed"


class Verdict(Enum):
    """How the whole operation ended."""

    SUCCESS = "success"
    SOME_FAILED = "some failed"
    ALL_FAILED = "all failed"


@dataclass(slots=True)
class Tally:
    """The sub-operation counts of one C-MOVE or C-GET."""

    remaining: int
    completed: int = 0
    warning: int = 0
    failed: int = 0
    failed_uids: list[str] = field(default_factory=list)

    def count(self, sop_instance_uid: str, outcome: Outcome) -> None:
        """Count one finished sub-operation."""
        self.remaining -= 1
        match outcome:
            case Outcome.COMPLETED:
                self.completed += 1
            case Outcome.WARNING:
                self.warning += 1
            case Outcome.FAILED:
                self.failed += 1
                self.failed_uids.append(sop_instance_uid)

    @property
    def verdict(self) -> Verdict:
        """What the final response says when nothing remains."""
        if not self.failed and not self.warning:
            return Verdict.SUCCESS
        return Verdict.SOME_FAILED if self.completed or self.warning else Verdict.ALL_FAILED


def batches(instances: Sequence[StoredInstance], size: int) -> Iterator[list[StoredInstance]]:
    """Split instances, in their order, so that none needs more than size pairs of SOP class and transfer syntax."""
    batch: list[StoredInstance] = []
    pairs: set[tuple[str, str]] = set()
    for instance in instances:
        pair = (instance.sop_class_uid, instance.transfer_syntax_uid)
        if pair not in pairs and len(pairs) == size:
            yield batch
            batch, pairs = [], set()
        pairs.add(pair)
        batch.append(instance)
    if batch:
        yield batch
