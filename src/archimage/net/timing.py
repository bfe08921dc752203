"""Where the time of an association goes, noted as it passes: seconds, monotonic.

The clock is not that of the loop, which stands still during a turn.
"""

import time

from archimage.model.associations import AssociationTiming
from archimage.services.intake import CommitTiming


class Stopwatch:
    """Sums of one association; only its loop's thread writes them."""

    __slots__ = ("_accepted", "_connected", "_first_byte_s", "_timing", "receive_s", "send_s")

    def __init__(self) -> None:
        self._connected = time.monotonic()
        self._accepted = self._connected
        self._first_byte_s: float | None = None
        self.receive_s = 0.0
        self.send_s = 0.0
        self._timing = CommitTiming()

    def accepted(self) -> None:
        """Note that the association was accepted."""
        self._accepted = time.monotonic()

    @property
    def age_s(self) -> float:
        """How long ago that was."""
        return time.monotonic() - self._accepted

    def committed(self, timing: CommitTiming) -> None:
        """Add what the group commit of an object took."""
        self._timing = self._timing.plus(timing)

    def requested(self) -> None:
        """Note the first request."""
        if self._first_byte_s is None:
            self._first_byte_s = self.age_s

    def read(self) -> AssociationTiming:
        """Return what has been noted; safe from any thread."""
        committed, first = self._timing, self._first_byte_s
        return AssociationTiming(
            negotiation_s=round(self._accepted - self._connected, 6),
            first_byte_s=None if first is None else round(first, 6),
            receive_s=round(self.receive_s, 6),
            wait_s=round(committed.wait_s, 6),
            sync_s=round(committed.sync_s, 6),
            index_s=round(committed.index_s, 6),
            send_s=round(self.send_s, 6),
        )
