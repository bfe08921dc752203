"""What came, as rules see it: from the index alone where that has what they ask for, else from the files' headers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from archimage.dicom.scan import HeaderScanner
from archimage.errors import BlobNotFoundError, DicomError
from archimage.model.records import StoredInstance
from archimage.model.routing import Arrived, Mark, Path, Rule, Subject
from archimage.ports.routing import Arrivals
from archimage.ports.storage import BlobStore
from archimage.services.routing_rules import header_values, indexed_values, matches, study_values

PAGE: Final = 5_000
_PIECE_BYTES: Final = 65_536


class Subjects:
    """Looks rules up against what came; all of it blocks."""

    def __init__(self, arrivals: Arrivals, blobs: BlobStore) -> None:
        self._arrivals = arrivals
        self._blobs = blobs

    def wanted(self, rule: Rule, study_instance_uid: str, mark: Mark) -> Iterator[tuple[Sequence[Arrived], Mark]]:
        """Yield what came of a study beyond a mark, in parts: those that a rule is to act on, and the mark after them.

        A rule on studies acts on all of it, once one object of the whole study meets its conditions.
        """
        if rule.on_study and not self.is_met(rule, study_instance_uid):
            return
        for page in self._pages(study_instance_uid, mark):
            mark = _beyond(mark, page)
            yield (page if rule.on_study else [one for one in page if matches(rule, self._subject(rule, one))]), mark

    def is_met(self, rule: Rule, study_instance_uid: str) -> bool:
        """Tell whether an object of a study meets the conditions of a rule on studies."""
        of_study: Mapping[Path, tuple[str, ...]] = {}
        if rule.asks_of_study:
            modalities = [
                one.values.get("modality", "") for page in self._pages(study_instance_uid, Mark()) for one in page
            ]
            of_study = study_values(modalities)
        pages = self._pages(study_instance_uid, Mark())
        return any(matches(rule, self._subject(rule, one, of_study)) for page in pages for one in page)

    def _pages(self, study_instance_uid: str, mark: Mark) -> Iterator[Sequence[Arrived]]:
        while page := self._arrivals.beyond(study_instance_uid, mark, PAGE):
            yield page
            mark = _beyond(mark, page)
            if len(page) < PAGE:
                return

    def _subject(self, rule: Rule, one: Arrived, of_study: Mapping[Path, tuple[str, ...]] | None = None) -> Subject:
        values = indexed_values(one.values) | dict(of_study or {})
        if rule.reads_headers:
            missing = [path for path in rule.paths if path not in values]
            values |= read_values(self._blobs, one.stored, missing)
        return Subject(values, one.source_ae_title, one.received_at, one.called_ae_title)


def read_values(blobs: BlobStore, stored: StoredInstance, paths: Iterable[Path]) -> dict[Path, tuple[str, ...]]:
    """Read attributes from the header of a stored object; nothing where it is gone, or cannot be read."""
    wanted = frozenset(paths)
    scanner = HeaderScanner(stored.transfer_syntax_uid, wanted)
    with suppress(DicomError, BlobNotFoundError), blobs.open(stored.path) as file:
        for offset in range(stored.data_set_offset, stored.size_bytes, _PIECE_BYTES):
            scanner.feed(file.read(offset, _PIECE_BYTES))
            if scanner.header_seen:
                break
    return header_values(scanner.header, wanted)


def _beyond(mark: Mark, page: Sequence[Arrived]) -> Mark:
    """Return the mark after a page."""
    number = max(mark.number, *(one.number for one in page))
    return Mark(number, max(mark.received_at, *(one.received_at for one in page)))
