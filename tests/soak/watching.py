"""What the server process and its children hold, looked at once a second; and how far that drifts."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

from bench.process import Running

_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: resident memory, bytes, and open descriptors, of all processes."""

    rss_bytes: int
    descriptors: int


class Watch:
    """Looks in a thread of its own until it is closed; tell is called after each look."""

    def __init__(self, server: Running, tell: Callable[[], None]) -> None:
        self.samples: list[Sample] = []
        self._server = server
        self._tell = tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            with suppress(psutil.NoSuchProcess):
                self.samples.append(look(self._server))
            self._tell()


def look(server: Running) -> Sample:
    """Look once."""
    processes = server.processes()
    return Sample(server.rss_bytes(), sum(process.num_fds() for process in processes))


def fifths(values: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Return the second fifth, when all is warm, and the last."""
    size = max(1, len(values) // 5)
    return values[size : 2 * size], values[-size:]
