"""What the services of HL7 messages need from the index, as protocols. What returns from writing is durable."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from archimage.model.messages import Hl7Message, KeptMessage, MessageState, PatientIdentifier, PatientLink, Report


class Flushing(Protocol):
    """Makes what is written durable; within a group, all of it at the end of that."""

    def group(self) -> AbstractContextManager[None]:
        """Leave what this thread writes to be made durable at the end of the block, by one flush."""

    def flush(self) -> None:
        """Make what was written durable now."""


class Messages(Protocol):
    """Keeps messages, for every process."""

    def keep(self, messages: Sequence[Hl7Message], now: float, until: float) -> Sequence[KeptMessage]:
        """Keep messages, in one transaction; each is its caller's to apply until a time.

        One of the same sender and control id is not kept again: it is the caller's where it was not applied, and is
        nobody else's.
        """

    def settle(self, messages: Sequence[Hl7Message]) -> None:
        """Note what became of messages, by their ids."""

    def claim(
        self, states: Sequence[MessageState], now: float, until: float, *, message_id: int = 0
    ) -> Hl7Message | None:
        """Return the oldest in one of these states that is nobody's, or that of an id, for the caller to apply."""

    def release(self) -> None:
        """Have no message be anybody's."""

    def get(self, message_id: int) -> Hl7Message | None:
        """Return one, or None."""

    def find(self, *, state: MessageState | None = None, before: int | None = None, limit: int) -> Sequence[Hl7Message]:
        """Return the newest, in one state and before an id, where these are given."""

    def counts(self) -> Sequence[tuple[MessageState, int]]:
        """Count them by state."""

    def forget(self, ended_before: float) -> int:
        """Forget what ended before a time, but for what failed; return how many these were."""


class Reports(Protocol):
    """Keeps reports."""

    def add(self, reports: Sequence[Report]) -> None:
        """Keep reports; those of the same message and position are kept once."""

    def find(
        self, *, study_instance_uid: str = "", accession_number: str = "", patient_id: str = "", limit: int
    ) -> Sequence[Report]:
        """Return the newest: of a study or its accession number, where one of these is given, and of a patient."""

    def get(self, report_id: int) -> Report | None:
        """Return one, or None."""


class PatientLinks(Protocol):
    """Keeps which patients are one person."""

    def add(self, link: PatientLink) -> None:
        """Keep a link; it is kept once, whoever stands first."""

    def remove(self, one: PatientIdentifier, other: PatientIdentifier) -> bool:
        """Forget a link; False where there is none."""

    def of(self, patient: PatientIdentifier) -> Sequence[PatientLink]:
        """Return the links of a patient."""

    def list(self, limit: int) -> Sequence[PatientLink]:
        """Return the newest links."""
