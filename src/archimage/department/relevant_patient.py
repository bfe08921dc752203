"""What is known of a patient, for modalities that ask."""

from collections.abc import Sequence
from concurrent.futures import Executor

from archimage.department.part import Ground, Part
from archimage.net.dispatch import ServiceClass
from archimage.net.scp import relevant_patient as scp


class RelevantPatientPart(Part):
    """Answers from the index, and keeps nothing."""

    def __init__(self, ground: Ground) -> None:
        self._queries = ground.services.query

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:
        """Return the SCP of the General Relevant Patient Information Query."""
        return (scp.service(self._queries, executor),)
