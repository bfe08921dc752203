"""Whether what somebody wants to rely on is really kept: its row, its SOP class, and every byte of its file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from archimage.errors import BlobNotFoundError, CancelledError, StorageError
from archimage.logger import logger
from archimage.model.attributes import UNIQUE_KEYS, Level
from archimage.model.commitments import Failure, Reason, Reference
from archimage.model.query import Condition, Query, UIDList
from archimage.model.records import StoredInstance
from archimage.ports.index import Finding
from archimage.ports.storage import BlobStore
from archimage.services.consistency import is_whole
from archimage.services.objects import ObjectService

_BATCH: Final = 500
_TRIES: Final = 3
"""An object that is corrected, compressed or removed while it is looked at is looked at once more."""
_log = logger("storage")


class Verification:
    """Looks at objects; blocks, for as long as their bytes take to read."""

    def __init__(self, index: Finding, blobs: BlobStore, others: ObjectService, *, digests: bool) -> None:
        """Look at what index and blobs keep, and at others, which are about no patient."""
        self._index = index
        self._blobs = blobs
        self._others = others
        self._digests = digests

    def failures(self, references: Sequence[Reference], ended: Callable[[], bool]) -> list[Failure]:
        """Return what cannot be committed to; CancelledError once ended tells so.

        Raises:
            StorageError: index or disk cannot be asked at the moment.
        """
        found: list[Failure] = []
        for start in range(0, len(references), _BATCH):
            batch = references[start : start + _BATCH]
            known = self._known(batch)
            for reference in batch:
                if ended():
                    raise CancelledError("the archive closes")
                if (reason := self._reason(reference, known.get(reference.sop_instance_uid))) is not None:
                    found.append(Failure(reference.sop_class_uid, reference.sop_instance_uid, reason))
        return found

    def _known(self, references: Sequence[Reference]) -> Mapping[str, StoredInstance]:
        """Return what the index has of objects, asked about together; what is withheld is not there."""
        uids = tuple(one.sop_instance_uid for one in references if not one.withheld)
        if not uids:
            return {}
        query = Query(Level.IMAGE, (Condition(UNIQUE_KEYS[Level.IMAGE], UIDList(uids)),))
        return {one.sop_instance_uid: one for page in self._index.instances(query) for one in page}

    def _reason(self, reference: Reference, kept: StoredInstance | None) -> Reason | None:
        wrong: Reason | None = Reason.ABSENT
        for _ in range(_TRIES):
            if kept is None:
                return self._other(reference)
            if kept.sop_class_uid != reference.sop_class_uid:
                return Reason.CLASS_MISMATCH
            wrong = self._wrong(kept)
            if wrong is None:
                return None
            seen, kept = kept, self._index.lookup(reference.sop_instance_uid)
            if kept == seen:
                break
        _log.error("an object that somebody wants to rely on is damaged", sop_instance_uid=reference.sop_instance_uid)
        return wrong

    def _other(self, reference: Reference) -> Reason | None:
        """Look at an object that is about no patient, if it is one."""
        found = None if reference.withheld else self._others.verified(reference.sop_instance_uid)
        if found is None:
            return Reason.ABSENT
        sop_class_uid, intact = found
        if sop_class_uid != reference.sop_class_uid:
            return Reason.CLASS_MISMATCH
        return None if intact else Reason.DAMAGED

    def _wrong(self, kept: StoredInstance) -> Reason | None:
        try:
            return None if is_whole(kept, self._blobs, digests=self._digests) else Reason.DAMAGED
        except BlobNotFoundError:
            return Reason.DAMAGED
        except OSError as error:
            raise StorageError(f"an object cannot be read: {error.strerror}") from error
