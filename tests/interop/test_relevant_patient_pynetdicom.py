"""What is known of a patient: pynetdicom and our own command ask for it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    GeneralRelevantPatientInformationQuery,
    SecondaryCaptureImageStorage,
)

from tests.attacks.server import Server, running

_ASKED: Final = GeneralRelevantPatientInformationQuery


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our server, which keeps an image of one patient, and two images of one Patient ID by two issuers."""
    with running(tmp_path_factory.mktemp("relevant") / "data") as server:
        _store(server, _image("P", PatientAge="045Y", PatientSize="1.75", PatientWeight="70"))
        _store(server, _image("Q", IssuerOfPatientID="A"))
        _store(server, _image("Q", IssuerOfPatientID="B"))
        yield server


def _image(patient: str, **values: str) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientID, made.PatientName, made.PatientSex, made.StudyDate = patient, "Demo^Änne", "F", "20261201"
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def _store(server: Server, image: Dataset) -> None:
    ae = AE("MODALITY")
    ae.add_requested_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", server.port, ae_title="PACS_SCP")
    assert association.send_c_store(image).Status == 0
    association.release()


def _ask(
    server: Server, patient: str, template: str = "9007", syntax: str = ExplicitVRLittleEndian
) -> Sequence[tuple[int, Any]]:
    """Ask as the documentation of pynetdicom does."""
    asked = Dataset()
    asked.PatientName, asked.PatientID = "", patient
    asked.ContentTemplateSequence = [Dataset()]
    asked.ContentTemplateSequence[0].MappingResource = "DCMR"
    asked.ContentTemplateSequence[0].TemplateIdentifier = template
    ae = AE("MODALITY")
    ae.add_requested_context(_ASKED, syntax)
    association = ae.associate("127.0.0.1", server.port, ae_title="PACS_SCP")
    answers = [(int(status.Status), told) for status, told in association.send_c_find(asked, _ASKED)]
    association.release()
    return answers


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_pynetdicom_is_told_of_one_patient(server: Server, syntax: str) -> None:
    (pending, told), (last, _) = _ask(server, "P", syntax=syntax)
    assert (pending, last) == (0xFF00, 0)
    assert (told.PatientID, str(told.PatientName), told.ValueType) == ("P", "Demo^Änne", "CONTAINER")
    assert told.ConceptNameCodeSequence[0].CodeValue == "111517"
    assert told.ContentTemplateSequence[0].TemplateIdentifier == "9007"
    (container,) = told.ContentSequence
    assert container.ConceptNameCodeSequence[0].CodeValue == "121118"
    age, sex, height, weight = container.ContentSequence
    assert sex.ConceptCodeSequence[0].CodeMeaning == "Female"
    measured = [item.MeasuredValueSequence[0] for item in (age, height, weight)]
    units = [one.MeasurementUnitsCodeSequence[0].CodeValue for one in measured]
    assert list(zip([one.NumericValue for one in measured], units, strict=True)) == [(45, "a"), (175, "cm"), (70, "kg")]
    assert {item.ObservationDateTime for item in (age, height, weight)} == {"20261201"}


def test_pynetdicom_is_told_why_there_is_no_answer(server: Server) -> None:
    assert [status for status, _ in _ask(server, "nobody")] == [0]
    assert [status for status, _ in _ask(server, "Q")] == [0xC100]
    assert [status for status, _ in _ask(server, "P", "9000")] == [0xC200]
    assert [status for status, _ in _ask(server, "")] == [0xA900]


def test_our_command_prints_a_table_of_what_is_told(server: Server) -> None:
    found = subprocess.run([*_command(server), "-k", "PatientID=P"], capture_output=True, check=True, timeout=60)
    table = found.stdout.decode()
    assert all(word in table for word in ("Demo^Änne", "Subject Age", "45 a", "Female", "175 cm", "70 kg")), table


def _command(server: Server) -> Sequence[str]:
    command = (sys.executable, "-m", "archimage", "find", "127.0.0.1", str(server.port))
    return (*command, "--model", "relevant-patient")


def test_our_command_asks_and_the_audit_trail_hears_of_it(server: Server) -> None:
    keys = ["-k", "PatientID=Q", "-k", "IssuerOfPatientID=B", "--json"]
    found = subprocess.run([*_command(server), *keys], capture_output=True, check=True, timeout=60)
    (told,) = json.loads(found.stdout)
    assert (told["IssuerOfPatientID"], told["PatientSex"]) == ("B", "F")
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=20)) as connection:
        connection.request("GET", "/api/v1/audit?limit=50")
        answer = connection.getresponse()
        heard = answer.read().decode()
    assert answer.status == 200, heard
    assert _ASKED in heard
