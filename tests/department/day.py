"""A day in a radiology department: who takes part, and an archive that is killed whenever nobody looks."""

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import hl7.client
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association

from archimage.protocol.uids import MODALITY_WORKLIST_FIND, MPPS
from tests.attacks.server import Server, launch, stop
from tests.interop.peers import free_port

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
MODALITY: Final = "CT1"
PATIENT: Final = "DAY-1"
ACCESSION: Final = "DAY-ACC-1"
ORDER: Final = "\r".join(
    (
        "MSH|^~\\&|RIS|HOSPITAL|ARCHIMAGE||20261129080000||ORM^O01^ORM_O01|DAY-1|P|2.5.1|||||UNICODE UTF-8",
        f"PID|||{PATIENT}||Demo^Day||19700101|F",
        "PV1||O",
        "ORC|NW|PLACER-1|FILLER-1||SC",
        "TQ1|1||||||20261129090000||R",
        "OBR|1|PLACER-1|FILLER-1|CTHEAD^CT of the head^LOCAL",
        f"IPC|{ACCESSION}|RP-1||SPS-1|CT|CTHEAD^CT of the head^LOCAL|||{MODALITY}",
    )
)
REPORT: Final = "\r".join(
    (
        "MSH|^~\\&|RIS|HOSPITAL|ARCHIMAGE||20261129170000||ORU^R01^ORU_R01|DAY-2|P|2.5.1|||||UNICODE UTF-8",
        f"PID|||{PATIENT}||Demo^Day||19700101|F",
        f"OBR|1|PLACER-1|FILLER-1|CTHEAD^CT of the head^LOCAL{'|' * 14}{ACCESSION}||||20261129170000||CT|F",
        "OBX|1|TX|GDT^Report||Nothing was found that should not be there.||||||F",
    )
)


class Archive:
    """The archive of the department; `kill` ends it as a power cut does, and it is started again."""

    def __init__(self, directory: Path, nodes: Mapping[str, int]) -> None:
        self._directory = directory
        self._nodes = [option for title, port in nodes.items() for option in ("--node", f"{title}=127.0.0.1:{port}")]
        self.hl7_port = free_port()
        self.server = self._start()

    def _start(self) -> Server:
        settings = {"hl7__enabled": "true", "hl7__port": self.hl7_port, "commitment__same_association_s": 0.1}
        server = launch(self._directory / "archive" / "data", self._nodes, settings)
        server.wait_until_ready()
        return server

    def kill(self) -> None:
        """Kill it in the middle of whatever it does, and start it again."""
        self.server.process.kill()
        self.server.process.wait(20)
        self.server = self._start()

    def close(self) -> None:
        """End it as an operator does."""
        assert stop(self.server) == 0, self.server.log

    def send(self, message: str) -> str:
        """Send an HL7 message; return the code of its acknowledgement."""
        with closing(hl7.client.MLLPClient("127.0.0.1", self.hl7_port, encoding="utf-8")) as client:
            answer = client.send_message(message.encode())
        return str(hl7.parse(answer.decode().strip("\x0b\x1c\r")).segment("MSA")[1])

    def get(self, path: str) -> Any:
        """Ask for JSON over HTTP."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.server.http_port}{path}")
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
            return json.load(answer)

    @contextmanager
    def associated(self, *sop_classes: str) -> Iterator[Association]:
        """Be associated with it, as the modality."""
        entity = AE(MODALITY)
        for uid in sop_classes:
            entity.add_requested_context(uid, [ExplicitVRLittleEndian])
        association = entity.associate("127.0.0.1", self.server.port, ae_title="PACS_SCP")
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def scheduled(self) -> Sequence[Dataset]:
        """Ask the worklist who is to be examined by a CT today."""
        wanted = Dataset()
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyInstanceUID", "RequestedProcedureID"):
            setattr(wanted, keyword, "")
        step = Dataset()
        step.Modality, step.ScheduledProcedureStepStartDate = "CT", "20261129"
        step.ScheduledProcedureStepID = step.ScheduledProcedureStepDescription = ""
        wanted.ScheduledProcedureStepSequence = [step]
        with self.associated(MODALITY_WORKLIST_FIND) as association:
            answers = list(association.send_c_find(wanted, MODALITY_WORKLIST_FIND))
        assert answers[-1][0].Status == 0
        return [found for status, found in answers if found is not None and status.Status in {0xFF00, 0xFF01}]


def begun(entry: Dataset) -> Dataset:
    """Return what a modality reports when it begins what an entry of the worklist asks for."""
    planned = entry.ScheduledProcedureStepSequence[0]
    scheduled = Dataset()
    scheduled.StudyInstanceUID = entry.StudyInstanceUID
    scheduled.AccessionNumber = entry.AccessionNumber
    scheduled.RequestedProcedureID = entry.RequestedProcedureID
    scheduled.ScheduledProcedureStepID = planned.ScheduledProcedureStepID
    scheduled.ScheduledProcedureStepDescription = planned.get("ScheduledProcedureStepDescription", "")
    scheduled.RequestedProcedureDescription = ""
    scheduled.ReferencedStudySequence = scheduled.ScheduledProtocolCodeSequence = []
    told = Dataset()
    told.ScheduledStepAttributesSequence = [scheduled]
    told.PatientName, told.PatientID = entry.PatientName, entry.PatientID
    told.PatientBirthDate = told.PatientSex = ""
    told.PerformedProcedureStepID, told.PerformedStationAETitle = "PPS-1", MODALITY
    told.PerformedProcedureStepStartDate, told.PerformedProcedureStepStartTime = "20261129", "091500"
    told.PerformedProcedureStepStatus, told.Modality = "IN PROGRESS", "CT"
    for keyword in (
        *("PerformedStationName", "PerformedLocation", "PerformedProcedureStepDescription", "StudyID"),
        *("PerformedProcedureTypeDescription", "PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime"),
    ):
        setattr(told, keyword, "")
    told.ReferencedPatientSequence = told.ProcedureCodeSequence = []
    told.PerformedProtocolCodeSequence = told.PerformedSeriesSequence = []
    return told


def completed(images: Sequence[Dataset]) -> Dataset:
    """Return what it reports when it has made these images."""
    told = Dataset()
    told.PerformedProcedureStepStatus = "COMPLETED"
    told.PerformedProcedureStepEndDate, told.PerformedProcedureStepEndTime = "20261129", "092000"
    made = Dataset()
    made.SeriesInstanceUID, made.ProtocolName = images[0].SeriesInstanceUID, "Head"
    made.PerformingPhysicianName = made.OperatorsName = made.SeriesDescription = made.RetrieveAETitle = ""
    made.ReferencedNonImageCompositeSOPInstanceSequence = []
    made.ReferencedImageSequence = []
    for image in images:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
        made.ReferencedImageSequence.append(item)
    told.PerformedSeriesSequence = [made]
    return told


def images(entry: Dataset, count: int) -> list[Dataset]:
    """Return the images that the modality makes."""
    series = generate_uid()
    found = []
    for number in range(1, count + 1):
        image = Dataset()
        image.SOPClassUID, image.SOPInstanceUID = CT, generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = entry.StudyInstanceUID, series
        image.PatientName, image.PatientID = entry.PatientName, entry.PatientID
        image.AccessionNumber, image.Modality, image.StudyDate = entry.AccessionNumber, "CT", "20261129"
        image.InstanceNumber, image.SeriesNumber = number, 1
        image.Rows = image.Columns = 16
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.PixelData = bytes(512)
        image["PixelData"].VR = "OW"
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        found.append(image)
    return found


def performed(archive: Archive, told: Dataset, uid: str, *, begins: bool) -> int:
    """Report a performed procedure step; return the status."""
    with archive.associated(MPPS) as association:
        send = association.send_n_create if begins else association.send_n_set
        status, _ = send(told, MPPS, uid)
    return int(status.Status)
