"""Parts of an answer that are made before it begins, so that what cannot be had is told in its head.

Of a short answer that is all of it. Of a long one as much as fits into memory; what turns out later breaks it off.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Generic, TypeVar

from archimage.errors import ArchimageError, NotAcceptableError, NotFoundError
from archimage.web.dicomweb.answers import Part

AHEAD_BYTES: Final = 16 << 20

Wanted = TypeVar("Wanted")


@dataclass(frozen=True, slots=True)
class Ahead(Generic[Wanted]):
    """What was made, what is still to be made, and why something was left out."""

    made: Sequence[tuple[Wanted, Part]]
    rest: Sequence[Wanted]
    left_out: Sequence[ArchimageError]

    def parts(self, make: Callable[[Wanted], Part]) -> Sequence[Part] | Iterator[Part]:
        """Return all parts; a sequence where nothing is still to be made."""
        made = [part for _, part in self.made]
        return chain(made, map(make, self.rest)) if self.rest else made


def make_ahead(wanted: Iterable[Wanted], make: Callable[[Wanted], Part], *, all_of_them: bool) -> Ahead[Wanted]:
    """Make parts until they hold AHEAD_BYTES; blocks.

    Raises:
        NotAcceptableError, NotFoundError: one of them cannot be had, or unless all are needed none of them.
    """
    made: list[tuple[Wanted, Part]] = []
    left_out: list[ArchimageError] = []
    coming = iter(wanted)
    room = AHEAD_BYTES
    for one in coming:
        try:
            part = make(one)
        except (NotAcceptableError, NotFoundError) as error:
            if all_of_them:
                raise
            left_out.append(error)
            continue
        made.append((one, part))
        room -= part.size_bytes
        if room < 0:
            break
    if left_out and not made:
        raise left_out[0]
    return Ahead(made, tuple(coming), left_out)


def begin(parts: Iterator[Part]) -> Sequence[Part] | Iterator[Part]:
    """Make parts until they hold AHEAD_BYTES; return all of them, a sequence where none is still to be made; blocks."""
    made: list[Part] = []
    room = AHEAD_BYTES
    for part in parts:
        made.append(part)
        room -= part.size_bytes
        if room < 0:
            return chain(made, parts)
    return made
