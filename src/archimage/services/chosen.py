"""What people choose: studies, series and instances, and which objects these are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.errors import InvalidQueryError, NotFoundError
from archimage.model.attributes import Level
from archimage.model.ids import check_uid
from archimage.model.records import StoredInstance
from archimage.services.identifiers import Identifier, Key
from archimage.services.query import Root
from archimage.services.retrieve import RetrieveService

_STUDY: Final = 0x0020000D
_SERIES: Final = 0x0020000E
_INSTANCE: Final = 0x00080018


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whole studies, whole series, and single instances, by their UIDs."""

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()

    def parts(self) -> Iterator["Chosen"]:
        """Return it part by part: each study and each series by itself, and all instances together."""
        yield from (Chosen(studies=(uid,)) for uid in self.studies)
        yield from (Chosen(series=(uid,)) for uid in self.series)
        if self.instances:
            yield Chosen(instances=self.instances)


def selected(retrieve: RetrieveService, chosen: Chosen) -> Sequence[StoredInstance]:
    """Return every chosen instance once.

    Raises:
        NotFoundError: something that is chosen is not kept here.
        InvalidQueryError: nothing is chosen.
    """
    found: dict[str, StoredInstance] = {}
    for level, tag, uid in _keys(chosen):
        below = retrieve.select(Root.STUDY, Identifier(level, (Key(tag, "UI", check_uid(uid)),)))
        if not below:
            raise NotFoundError(f"nothing is kept here under the UID {uid}")
        found |= {instance.sop_instance_uid: instance for instance in below}
    if not found:
        raise InvalidQueryError("nothing is chosen: name studies, series or instances")
    return tuple(found.values())


def _keys(chosen: Chosen) -> Iterator[tuple[Level, int, str]]:
    for level, tag, uids in (
        (Level.STUDY, _STUDY, chosen.studies),
        (Level.SERIES, _SERIES, chosen.series),
        (Level.IMAGE, _INSTANCE, chosen.instances),
    ):
        yield from ((level, tag, uid) for uid in uids)
