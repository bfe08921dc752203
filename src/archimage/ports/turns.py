"""Turns: what one process of an archive does at a time, whether one machine serves it or many."""

from collections.abc import Callable
from typing import Protocol


class Turn(Protocol):
    """What one process at a time has; it is nobody's once that process has ended, however it ends."""

    def is_held(self) -> bool:
        """Tell whether it is still ours: what keeps it may have been away, and have given it to another process."""

    def close(self) -> None:
        """Let others have it."""


TakeTurn = Callable[[], Turn | None]
"""Takes a turn; None while another process has it. Raises StorageError where that cannot be known."""


def kept(turn: Turn | None, take: TakeTurn) -> Turn | None:
    """Return a turn that is still ours, else what taking it anew comes to."""
    if turn is not None and turn.is_held():
        return turn
    if turn is not None:
        turn.close()
    return take()
