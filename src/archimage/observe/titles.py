"""Which AE titles stand in labels: those that somebody entered, and a few that came by themselves."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from archimage.errors import ArchimageError
from archimage.observe.metric import OTHER

KNOWN: Final = 50
STRANGERS: Final = 50


def _nobody() -> Iterable[str]:
    return ()


class Titles:
    """Remembers AE titles; one that has a label of its own keeps it.

    known tells the titles of nodes and settings, and may block; `renew` asks it. The first few others have labels too,
    as long as anybody may call.
    """

    def __init__(
        self, known: Callable[[], Iterable[str]] = _nobody, anybody_may_call: Callable[[], bool] = lambda: True
    ) -> None:
        self._known = known
        self._anybody_may_call = anybody_may_call
        self._left = {True: KNOWN, False: STRANGERS}
        self._lock = threading.Lock()
        self._labels: dict[str, str] = {}
        self._entered: frozenset[str] = frozenset()

    def renew(self) -> None:
        """Ask again which titles are known; blocks."""
        with suppress(ArchimageError):
            self._entered = frozenset(self._known())

    def admit(self, ae_title: str) -> str:
        """Return the label of the title of a peer that was let in."""
        found = self._labels.get(ae_title)
        return found if found is not None else self._place(ae_title)

    def _place(self, ae_title: str) -> str:
        known = ae_title in self._entered
        if not known and not self._anybody_may_call():
            return OTHER
        with self._lock:
            if not self._left[known]:
                return OTHER
            self._left[known] -= 1
            self._labels[ae_title] = ae_title
            return ae_title
