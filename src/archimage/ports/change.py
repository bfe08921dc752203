"""What corrections, merges and moves need of the index, as a protocol; the adapter is `index.changes`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from archimage.model.changes import Change, ChangedStudy, ChangeEnd, ChangeState, PatientKey
from archimage.model.records import Kept


class Changes(Protocol):
    """Keeps the trail of changes, and finds what they are about. What returns from writing is durable."""

    # What a change is about

    def patient_of(self, study_instance_uid: str) -> PatientKey | None:
        """Return whose a study is, None where it is not kept."""

    def person(self, patient: PatientKey) -> Mapping[str, str] | None:
        """Return all that is known of a patient, by columns, absent values left out; None where he is not kept."""

    def studies_of(self, patient: PatientKey) -> Sequence[str]:
        """Return the studies of a patient, the first that came first."""

    def namesakes(self, patient_id: str) -> Sequence[PatientKey]:
        """Return the patients of a Patient ID, whoever issued it."""

    def instances_of(self, study_instance_uid: str, series_instance_uid: str = "") -> Sequence[str]:
        """Return the SOP Instance UIDs of a study, or of a series of it, in the order in which they came."""

    def kept(self, sop_instance_uids: Sequence[str]) -> Mapping[str, Kept]:
        """Return those of these instances that are there."""

    # The trail

    def add(self, change: Change, studies: Sequence[ChangedStudy]) -> int:
        """Keep a new change, whose number is given now and returned."""

    def get(self, number: int) -> Change | None:
        """Return a change, or None."""

    def list(self, limit: int, offset: int, study_instance_uid: str = "") -> tuple[Sequence[Change], int]:
        """Return some changes, the newest first, of one study or of all, and how many there are."""

    def running(self) -> Sequence[int]:
        """Return the numbers of the changes that have not ended."""

    def studies(self, number: int) -> Sequence[ChangedStudy]:
        """Return the studies of a change, in their order."""

    def note(self, number: int, study: ChangedStudy) -> None:
        """Note how far a study of a change is; durable with whatever is next."""

    def turn(self, number: int, before: Sequence[ChangeState], end: ChangeEnd) -> bool:
        """Put a change that is in one of some states into another; tell whether it was."""
