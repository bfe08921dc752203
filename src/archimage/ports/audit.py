"""What services and doors need of the audit trail."""

from collections.abc import Callable, Iterable
from typing import Protocol

from archimage.model.audit import AuditEvent

Told = Callable[[], Iterable[AuditEvent]]
"""Makes the messages of something that happened; called once, soon after, in a thread where it may block."""


class AuditSink(Protocol):
    """Keeps audit messages for good."""

    def record(self, told: Told, *, at_once: bool = True) -> None:
        """Take what happened; never blocks, from any thread. What cannot be kept is counted, and told later.

        at_once tells that its messages look something up that may be gone soon; others are made when they are written.
        """

    def check(self) -> None:
        """Raise UnavailableError where nothing new may be done, because it could not be recorded."""
