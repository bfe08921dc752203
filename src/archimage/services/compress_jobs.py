"""Compressing studies that are stored already, as a job.

What has the form already that it is to have is left alone, so an object is compressed once however often the work is
begun. What cannot be compressed without loss, or does not become smaller, stays as it is.
"""

from concurrent.futures import CancelledError as TaskCancelledError
from dataclasses import asdict, dataclass, replace
from typing import Final, cast

from archimage.errors import (
    ArchimageError,
    BlobNotFoundError,
    CancelledError,
    HeldError,
    NotAcceptableError,
    NotFoundError,
)
from archimage.model.jobs import Job, JsonValue
from archimage.model.records import Kept
from archimage.ports.change import Changes
from archimage.ports.jobs import Jobs, Progress, Rules
from archimage.services.compressor import Compressor
from archimage.services.replacement import ReplacementService, is_passing
from archimage.services.study_jobs import COMPRESS, Tally, reached_of, studies_of, total_of

_PAGE: Final = 256  # objects
_MB: Final = 1_000_000


@dataclass(slots=True)
class _Compressed(Tally):
    """What became of the objects; saved_bytes is by how much less is stored."""

    compressed: int = 0
    as_they_were: int = 0
    saved_bytes: int = 0

    @property
    def words(self) -> str:
        """What came of it, for people."""
        saved = f"{self.compressed} compressed, {self.saved_bytes / _MB:.1f} MB saved"
        return f"{saved}, {self.as_they_were} stay as they are" if self.as_they_were else saved


class CompressJobs:
    """Does the jobs."""

    def __init__(self, index: Changes, compressor: Compressor, replacement: ReplacementService, jobs: Jobs) -> None:
        self._index = index
        self._compressor = compressor
        self._replacement = replacement
        jobs.register(COMPRESS, self.work, Rules(at_once=1))

    def work(self, job: Job, progress: Progress) -> JsonValue:
        """Compress study by study."""
        to = str(cast("dict[str, str]", job.payload)["to"])
        tally = _Compressed(**reached_of(job))
        for study in studies_of(job)[tally.studies :]:
            uids = self._index.instances_of(study)
            for first in range(0, len(uids), _PAGE):
                page = uids[first : first + _PAGE]
                kept = self._index.kept(page)
                for uid in page:
                    progress.tell(tally.objects, max(total_of(job), tally.objects))
                    self._one(kept.get(uid), to, tally)
            tally.studies += 1
            progress.reach(cast("JsonValue", asdict(tally)))
        progress.tell(tally.objects, tally.objects, tally.words)
        return cast("JsonValue", asdict(tally))

    def _one(self, kept: Kept | None, to: str, tally: _Compressed) -> None:
        """Compress one object, unless it is so already, and count what became of it.

        Raises what has nothing to do with the object: the work is tried again later then, from this study on.
        """
        if kept is None:
            tally.gone += 1
            return
        tally.objects += 1
        stored = kept.stored
        if stored.transfer_syntax_uid == to:
            tally.as_they_were += 1
            return
        try:
            tally.saved_bytes += self._compress(replace(kept, compress_to=to))
            tally.compressed += 1
        except (NotFoundError, BlobNotFoundError):
            tally.gone += 1  # it was removed meanwhile, or has another form now
        except NotAcceptableError:
            tally.as_they_were += 1
        except HeldError as error:
            tally.fail(stored.sop_instance_uid, str(error))
        except TaskCancelledError as error:
            raise CancelledError("the archive is closing") from error
        except Exception as error:
            if is_passing(error):
                raise
            reason = str(error) if isinstance(error, ArchimageError) else f"a fault: {type(error).__name__}"
            tally.fail(stored.sop_instance_uid, reason)

    def _compress(self, wanted: Kept) -> int:
        """Put the compressed form in the place of an object; return how much smaller it is, bytes."""
        compressed = self._compressor.compress(wanted)
        (answer,) = self._replacement.replace([compressed])
        if isinstance(answer, ArchimageError):
            raise answer
        return wanted.stored.size_bytes - compressed.record.size_bytes
