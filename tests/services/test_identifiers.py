"""Identifiers are decoded in every syntax, and hostile ones are refused."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from archimage.errors import ExcessiveDatasetError, InvalidDatasetError, InvalidQueryError
from archimage.model.attributes import Level
from archimage.services.identifiers import MAX_KEYS, Key, decode_identifier, flatten

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
SYNTAXES = {IMPLICIT: (True, True), EXPLICIT: (False, True), BIG: (False, False)}


def _encode(dataset: Dataset, transfer_syntax_uid: str = EXPLICIT) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = SYNTAXES[transfer_syntax_uid]
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


def _query() -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.QueryRetrieveLevel = "SERIES"
    dataset.PatientName = "Müller^*"
    dataset.StudyDate = "20240101-20240131"
    dataset.Rows = 512
    item = Dataset()
    item.ScheduledProcedureStepID = "S1"
    item.RequestedProcedureID = ""
    dataset.RequestAttributesSequence = Sequence([item])
    return dataset


@pytest.mark.parametrize("transfer_syntax_uid", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_keys_come_in_the_order_of_their_tags_with_their_text(transfer_syntax_uid: str, undefined: bool) -> None:
    dataset = _query()
    dataset["RequestAttributesSequence"].is_undefined_length = undefined
    dataset.RequestAttributesSequence[0].is_undefined_length_sequence_item = undefined
    identifier = decode_identifier(_encode(dataset, transfer_syntax_uid), transfer_syntax_uid)
    assert identifier.level is Level.SERIES
    assert identifier.keys == (
        Key(0x00080020, "DA", "20240101-20240131"),
        Key(0x00100010, "PN", "Müller^*"),
        Key(0x00280010, "US", "512"),
        Key(0x00400275, "SQ", "", ((Key(0x00400009, "SH", "S1"), Key(0x00401001, "SH", "")),)),
    )


def test_sequence_keys_are_flattened_with_their_sequence() -> None:
    keys = decode_identifier(_encode(_query()), EXPLICIT).keys
    assert (0x00400275, Key(0x00400009, "SH", "S1")) in list(flatten(keys))
    assert (None, Key(0x00100010, "PN", "Müller^*")) in list(flatten(keys))


def test_a_sequence_of_two_items_is_refused() -> None:
    dataset = _query()
    dataset.RequestAttributesSequence = Sequence([Dataset(), Dataset()])
    with pytest.raises(InvalidQueryError, match="0040,0275"):
        list(flatten(decode_identifier(_encode(dataset), EXPLICIT).keys))


@pytest.mark.parametrize("level", ["", "BODY", "study"])
def test_a_level_that_is_none_is_refused(level: str) -> None:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    with pytest.raises(InvalidQueryError, match="PATIENT, STUDY, SERIES, IMAGE"):
        decode_identifier(_encode(dataset), EXPLICIT)


def test_a_missing_level_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="no Query/Retrieve Level"):
        decode_identifier(b"", EXPLICIT)


def test_too_many_keys_are_refused() -> None:
    key = b"\x10\x00\x10\x00PN\x00\x00"
    with pytest.raises(ExcessiveDatasetError):
        decode_identifier(key * (MAX_KEYS + 1), EXPLICIT)


@pytest.mark.parametrize("depth", [9, 50_000])
def test_deep_sequences_are_refused(depth: int) -> None:
    opening = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(ExcessiveDatasetError):
        decode_identifier(opening * depth, EXPLICIT)


@pytest.mark.parametrize("transfer_syntax_uid", SYNTAXES)
def test_an_identifier_cut_anywhere_is_refused(transfer_syntax_uid: str) -> None:
    whole = _encode(_query(), transfer_syntax_uid)
    complete = decode_identifier(whole, transfer_syntax_uid)
    for end in range(len(whole)):
        try:
            found = decode_identifier(whole[:end], transfer_syntax_uid)
        except (InvalidDatasetError, InvalidQueryError):
            continue
        assert len(found.keys) < len(complete.keys)  # cut between two elements


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(sorted(SYNTAXES)))
def test_random_bytes_are_refused_in_order(data: bytes, transfer_syntax_uid: str) -> None:
    prefix = _encode(_level_only(), transfer_syntax_uid)
    with suppress(InvalidDatasetError, ExcessiveDatasetError, InvalidQueryError):
        assert decode_identifier(prefix + data, transfer_syntax_uid).level is Level.STUDY


def _level_only() -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    return dataset
