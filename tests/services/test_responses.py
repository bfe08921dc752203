"""Rows become response identifiers that pydicom reads."""

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.encode import decode_identifier
from archimage.index.sqlite import SqliteIndex
from archimage.model.attributes import Level
from archimage.services.identifiers import Identifier, Key
from archimage.services.query import QueryService, Root
from archimage.services.responses import ResponseEncoder

SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
ROWS = Key(0x00280010, "US", "")
PRIVATE = Key(0x00091001, "LO", "")


def _responses(index: SqliteIndex, syntax: str, level: Level, *keys: Key) -> list[Dataset]:
    service = QueryService(index)
    find = service.prepare(Root.PATIENT, Identifier(level, keys))
    encoder = ResponseEncoder(find, syntax, "PACS_SCP")
    return [decode_identifier(encoder.encode(row), syntax) for page in service.pages(find.query) for row in page]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_response_holds_what_was_asked_and_what_always_stands_in_it(index: SqliteIndex, syntax: str) -> None:
    instance = Key(0x00080018, "UI", "1.0.1.2")
    (found,) = _responses(index, syntax, Level.IMAGE, instance, ROWS, PRIVATE)
    assert found.QueryRetrieveLevel == "IMAGE"
    assert found.RetrieveAETitle == "PACS_SCP"
    assert found.InstanceAvailability == "ONLINE"
    assert (found.PatientID, found.StudyInstanceUID, found.SOPInstanceUID) == ("P0", "1.0", "1.0.1.2")
    assert found.Rows == 512
    assert found[PRIVATE.tag].VM == 0
    assert "SpecificCharacterSet" not in found


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_text_beyond_ascii_is_utf_8_and_says_so(index: SqliteIndex, syntax: str) -> None:
    found = _responses(index, syntax, Level.PATIENT, Key(0x00100010, "PN", ""))
    assert {response.SpecificCharacterSet for response in found} == {"ISO_IR 192"}
    assert {str(response.PatientName) for response in found} == {"Müller^Jörg", "Yamada^Tarou=山田^太郎"}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_sequence_key_comes_back_as_items(index: SqliteIndex, syntax: str) -> None:
    series = Key(0x0020000E, "UI", "1.0.1")
    (found,) = _responses(index, syntax, Level.SERIES, series, Key(0x00400275, "SQ", ""))
    items = [(item.ScheduledProcedureStepID, item.RequestedProcedureID) for item in found.RequestAttributesSequence]
    assert items == [("S1", "R1"), ("S2", "")]


def test_what_cannot_be_returned_is_empty(index: SqliteIndex) -> None:
    found = _responses(index, SYNTAXES[1], Level.STUDY, ROWS, Key(0x0040A043, "SQ", ""))
    assert all(response["Rows"].VM == 0 and not response.ConceptNameCodeSequence for response in found)


def test_a_number_that_is_none_comes_back_empty(index: SqliteIndex) -> None:
    service = QueryService(index)
    find = service.prepare(Root.STUDY, Identifier(Level.IMAGE, (ROWS,)))
    encoder = ResponseEncoder(find, SYNTAXES[1], "A")
    decoded = decode_identifier(encoder.encode({"rows": "70000", "sop_instance_uid": "1"}), SYNTAXES[1])
    assert decoded["Rows"].VM == 0
