"""What was sent to an object store before it was known whether it will be accepted."""

import threading
from typing import Final

_REMEMBERED: Final = 1024

Source = str | bytes
"""The name of a finished object, or the very data of a small one."""
Sent = str | Exception
"""The mark that the object store gave it, empty where something else was there; or why it was not sent."""


class SentAhead:
    """Remembers the last of it; what is forgotten is sent once more. Used from any thread.

    Several objects may come for one path at a time, of which one is accepted; so what was sent is told by its source.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[tuple[str, str | int], tuple[Source, Sent]] = {}
        self._placed: dict[str, Sent] = {}

    def sent(self, path: str, source: Source, outcome: Sent) -> None:
        """Note what became of an object that was sent."""
        with self._lock:
            self._sent[path, _key(source)] = source, outcome
            while len(self._sent) > _REMEMBERED:
                del self._sent[next(iter(self._sent))]

    def placed(self, path: str, source: Source) -> None:
        """Note that this is the object that was accepted for a path."""
        with self._lock:
            _, outcome = self._sent.pop((path, _key(source)), ("", ""))
            if outcome:
                self._placed[path] = outcome
            else:
                self._placed.pop(path, None)

    def taken(self, path: str) -> Sent:
        """Return what became of what was placed at a path, and forget it; empty where nothing is known."""
        with self._lock:
            return self._placed.pop(path, "")


def _key(source: Source) -> str | int:
    """Return what tells a source from all others that are remembered, of which data are held and so keep their id."""
    return source if isinstance(source, str) else id(source)
