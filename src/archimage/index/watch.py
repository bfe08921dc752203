"""Watches connections of which an answer is overdue: one whose server does not answer at all is cut.

A server that is stopped, or a network that drops packets, lets a client wait for minutes. A statement may take long
where the server is alive, so after a while that is asked over a connection of its own.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

_LOOK_EVERY_S: Final = 0.25


class Watch:
    """Knows who waits for an answer; `close` it.

    is_alive asks the server whether it is there, in a bounded time; it is asked for those who have waited patience_s.
    """

    def __init__(self, is_alive: Callable[[], bool], patience_s: float) -> None:
        self._is_alive = is_alive
        self._patience_s = patience_s
        self._since: dict[int, float] = {}
        self._changed = threading.Condition()
        self._rests = False
        self._closed = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def waiting(self, descriptor: int) -> Iterator[None]:
        """Watch the socket of a connection while somebody waits for an answer on it."""
        with self._changed:
            self._since[descriptor] = time.monotonic()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="index-watch", daemon=True)
                self._thread.start()
            if self._rests:  # otherwise it looks soon by itself: waking a thread costs more than most queries
                self._rests = False
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._since.pop(descriptor, None)

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._since and not self._closed:
                    self._rests = True
                    self._changed.wait()
                self._rests = False
                if self._closed:
                    return
                self._changed.wait(_LOOK_EVERY_S)
                overdue = self._overdue()
            if overdue and not self._is_alive():
                self._cut(overdue)

    def _overdue(self) -> list[tuple[int, float]]:
        before = time.monotonic() - self._patience_s
        return [(descriptor, since) for descriptor, since in self._since.items() if since < before]

    def _cut(self, overdue: list[tuple[int, float]]) -> None:
        """Shut the sockets down of those who still wait: their reads then end."""
        with self._changed:
            for descriptor, since in overdue:
                if self._since.get(descriptor) == since:
                    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                        connection.shutdown(socket.SHUT_RDWR)
