"""What hears of everything that is counted, as a class that counts nothing; `observe.metrics` counts.

Every method may be called from any thread, returns within a few microseconds and never raises. What a peer sends may
be passed on as it is: whoever counts bounds it.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from archimage.model.plugins import CallOutcome

TaskOutcome = Literal["done", "failed", "timeout", "memory", "lost"]
"""How a task of a worker process ended; timeout, memory and lost cost the process."""
Rejection = Literal[
    "calling_ae_title",
    "called_ae_title",
    "user_identity",
    "max_associations",
    "max_associations_per_ae",
    "plugin",
    "protocol",
]
"""Why an association was refused; protocol is the provider's own refusal (PS3.8 Table 9-21)."""
Ending = Literal["released", "aborted_by_peer", "protocol_error", "silent", "lost", "aborted_here", "fault"]
"""How an association ended; protocol_error is the peer's, fault is ours."""
StoreOutcome = Literal["stored", "replaced", "duplicate", "refused"]
"""What became of an object that was received whole."""
Cache = Literal["metadata", "transcoded"]
ScrubOutcome = Literal["sound", "damaged", "mended"]
"""How a stored object was that was read again; what is mended was damaged, and is not any more."""
LimitedDoor = Literal["dicom", "http"]
"""Where requests are limited in their rate."""


class Meter:
    """Counts nothing; what counts overrides all of it."""

    def association_opened(self, calling_ae_title: str) -> str:  # noqa: ARG002
        """Hear that an association was accepted; return under what its end is to be told."""
        return ""

    def association_ended(
        self, told_as: str, ending: Ending, duration_s: float, received_bytes: int, sent_bytes: int
    ) -> None:
        """Hear that an association that was accepted has ended; bytes are those of its connection."""

    def connection_failed(self, ending: Ending) -> None:
        """Hear that a connection ended, other than by the peer's leaving, before it had an association."""

    def association_rejected(self, reason: Rejection) -> None:
        """Hear that an association was refused."""

    def operation(self, command_field: int, status: int) -> None:
        """Hear that a DIMSE request was answered for good, and with which status (PS3.7 Annex C)."""

    def request_limited(self, door: LimitedDoor) -> None:
        """Hear that a request was refused because its sender asks too often."""

    def object_received(self, sop_class_uid: str, outcome: StoreOutcome, size_bytes: int, duration_s: float) -> None:
        """Hear what became of an object, and how long after its beginning; size_bytes is its file's, 0 if refused."""

    def group_committed(self, waits_s: Sequence[float], sync_s: float, index_s: float) -> None:
        """Hear of a group commit: how long each object had waited for it, its flush, and what it took in the index."""

    def query_answered(self, level: str, duration_s: float) -> None:
        """Hear that a C-FIND or a QIDO-RS search has found all that it will, level empty where it had none."""

    def cache_asked(self, cache: Cache, *, hit: bool) -> None:
        """Hear whether something was found that had been made before."""

    def request_answered(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Hear that an HTTP request is over; route is the template of its address, empty where it has none."""

    def task_ended(self, kind: str, state: str) -> None:
        """Hear that a background task has ended."""

    def pixel_task(self, task: str, outcome: TaskOutcome) -> None:
        """Hear that a task of a worker process has ended."""

    def pixel_tasks_waiting(self, count: int) -> None:
        """Hear how many tasks wait for a worker process."""

    def compressed(self, before_bytes: int, after_bytes: int) -> None:
        """Hear that an object was compressed by rule."""

    def kept_uncompressed(self, reason: str) -> None:
        """Hear that an object that a rule was to compress stays as it is; reason is the kind of error."""

    def object_scrubbed(self, outcome: ScrubOutcome, size_bytes: int) -> None:
        """Hear that a stored object was read again, and how it was; or, once more, that it was mended."""

    def audit_written(self, count: int) -> None:
        """Hear that audit messages were written."""

    def audit_lost(self, count: int = 1) -> None:
        """Hear that audit messages could not be kept."""

    def plugin_called(self, plugin: str, hook: str, outcome: CallOutcome) -> None:
        """Hear how a call of a plugin's hook ended; hook is `load` where it was loaded."""

    def plugin_dropped(self, plugin: str, count: int) -> None:
        """Hear that a plugin was not told of so much, as it was too far behind."""


class Metered(Protocol):
    """A part that tells a meter what it does."""

    meter: Meter
