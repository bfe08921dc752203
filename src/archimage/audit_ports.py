"""What services and doors need of the audit trail."""

from collections.abc import Callable, Iterable
from typing import Protocol

from archimage.model.audit import AuditEvent

Told = Callable[[], Iterable[AuditEvent]]
"""Makes the messages of something that happened; called once, later, in a thread where it may block."""


class AuditSink(Protocol):
    """Keeps audit messages for good."""

    def record(self, told: Told) -> None:
        """Take what happened; never blocks, from any thread. What cannot be kept is counted, and told later."""

    def check(self) -> None:
        """Raise UnavailableError where nothing new may be done, because it could not be recorded."""


class NoAudit:
    """Keeps nothing."""

    def record(self, told: Told) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Let everything through."""
