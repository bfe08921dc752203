"""The reactor of pynetdicom 3, without its race.

It tells that it is paused before it looks whether it should be. A request that is sent at that moment has its answer
taken by the reactor, as one that nobody expects, and waits for it in vain. It happens a few times in many thousand
tests, on a busy machine.
"""

import threading
from typing import Any, Final

from pynetdicom.association import Association

_PAUSE_S: Final = 10.0


class Checkpoint(threading.Event):
    """What the reactor waits for while it is cleared; `clear` returns when it does wait."""

    def __init__(self) -> None:
        super().__init__()
        self._waits = threading.Event()

    def set(self) -> None:
        """Have the reactor run."""
        self._waits.clear()
        super().set()

    def clear(self) -> None:
        """Have the reactor pause, and wait until it does."""
        super().clear()
        self._waits.wait(_PAUSE_S)

    def wait(self, timeout: float | None = None) -> bool:
        """Pause, where that is asked for."""
        if not self.is_set():
            self._waits.set()
        return super().wait(timeout)


def mend() -> None:
    """Have every association from now on wait for its reactor."""
    begun = Association.__init__

    def begin(self: Association, *given: Any, **named: Any) -> None:
        begun(self, *given, **named)
        self._reactor_checkpoint = Checkpoint()
        self._reactor_checkpoint.set()

    Association.__init__ = begin  # type: ignore[method-assign]
