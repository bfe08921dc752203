"""Tests of services.attributes."""

import struct

import pytest

from archimage.dicom.scan import Header, scan
from archimage.errors import IdentityMismatchError, InvalidInstanceUIDError
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.query import Condition, Exact, Query, Range
from archimage.model.records import FrameTable
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.attributes import WANTED, frame_table, index_values, native_frame_bytes
from tests.attacks.datasets import PATIENT_NAME, PIXEL_DATA, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, dataset, new_uid
from tests.dicom.encoded import element, item, long_element, pixels, sequence
from tests.services.parts import Parts, expected


def _header(data: bytes) -> Header:
    return scan(data, EXPLICIT_VR_LITTLE_ENDIAN, WANTED)


def test_values_are_decoded_and_empty_ones_left_out() -> None:
    values = index_values(_header(dataset("1.2.3", replaced={PATIENT_NAME: b""})))
    assert values["sop_instance_uid"] == "1.2.3"
    assert values["rows"] == "16"
    assert values["modality"] == "CT"
    assert "patient_name" not in values


def test_values_of_several_items_are_joined() -> None:
    requests = sequence(0x00400275, element(0x00400009, b"SH", b"STEP"))
    data = dataset("1.2.3")
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    assert index_values(_header(data[:at] + requests + data[at:]))["request_scheduled_procedure_step_id"] == "STEP"


@pytest.mark.parametrize("tag", [SOP_INSTANCE_UID, STUDY_INSTANCE_UID])
def test_an_object_without_a_uid_is_refused(tag: int) -> None:
    with pytest.raises(IdentityMismatchError, match="has no"):
        index_values(_header(dataset("1.2.3", left_out=frozenset({tag}))))


def test_an_object_with_a_uid_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInstanceUIDError):
        index_values(_header(dataset("1.2.3", replaced={STUDY_INSTANCE_UID: b"../x"})))


def test_native_pixels_are_one_run() -> None:
    data = dataset("1.2.3", pixels=b"pixels")
    at = 1_000 + len(data) - 6
    assert frame_table(_header(data), 1_000) == FrameTable(False, (at,), (6,), at - 12)


def test_native_frames_are_counted_and_measured_where_they_are_as_many_as_the_header_says() -> None:
    told = ((0x00280002, "US", b"\3\0"), (0x00280008, "IS", b"2 "))
    for size, counted in ((1536, (2, 6144)), (1600, (2, 6144)), (1534, (0, 0))):
        table = frame_table(_header(dataset("1.2.3", pixels=bytes(size), more=told)), 0)
        assert table is not None
        assert (table.count, table.frame_bits) == counted


@pytest.mark.parametrize(("text", "count"), [(b"", 1), (b"0 ", 1), (b" 1", 1), (b"x ", 0), (b"9999", 0)])
def test_a_number_of_frames_that_is_none_is_not_believed(text: bytes, count: int) -> None:
    table = frame_table(_header(dataset("1.2.3", more=((0x00280008, "IS", text),))), 0)
    assert table is not None
    assert table.count == count


@pytest.mark.parametrize(("text", "count"), [(b"2147483647", 2147483647), (b"9" * 20, 0), (b"-5", 1)])
def test_as_many_frames_as_no_integer_string_can_tell_are_not_believed(text: bytes, count: int) -> None:
    data = dataset("1.2.3", more=((0x00280008, "IS", text),), left_out=frozenset({PIXEL_DATA})) + pixels(b"one1")
    table = frame_table(_header(data), 0)
    assert table is not None
    assert table.count == count


def test_the_first_fragment_of_each_frame_is_noted_where_an_offset_table_tells_it() -> None:
    told = dataset("1.2.3", more=((0x00280008, "IS", b"2 "),), left_out=frozenset({PIXEL_DATA}))
    fragments = [item(bytes(size)) for size in (4, 6, 8)]
    second = len(fragments[0]) + len(fragments[1])
    delimiter = item(b"", 0xE0DD)
    for offsets, firsts in (((0, second), (0, 2)), ((0, second + 2), ()), ((), ())):
        basic = item(struct.pack(f"<{len(offsets)}I", *offsets))
        value = b"".join((basic, *fragments, delimiter))
        table = frame_table(_header(told + long_element(PIXEL_DATA, b"OB", value, 0xFFFFFFFF)), 0)
        assert table is not None
        assert (table.count, table.firsts) == (2, firsts)


def test_fragments_are_listed_without_the_offset_table() -> None:
    data = dataset("1.2.3", left_out=frozenset({PIXEL_DATA})) + pixels(b"one1", b"two2two2")
    table = frame_table(_header(data), 100)
    assert table is not None
    assert [(data[offset - 100 :][:length]) for offset, length in zip(table.offsets, table.lengths, strict=True)] == [
        b"one1",
        b"two2two2",
    ]
    assert table.encapsulated


def test_more_fragments_than_can_be_kept_have_no_table() -> None:
    data = dataset("1.2.3", left_out=frozenset({PIXEL_DATA})) + pixels(*[b"ab"] * 100_001)
    assert frame_table(_header(data), 0) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (dataset("1.2.3", left_out=frozenset({PIXEL_DATA})), 256),
        (dataset("1.2.3", left_out=frozenset({PIXEL_DATA, 0x00280100})), 0),
        (dataset("1.2.3")[:50], 0),
        (b"no header", 0),
    ],
    ids=["described", "not described", "cut", "none"],
)
def test_a_decoded_frame_is_measured_by_its_header(header: bytes, size: int) -> None:
    assert native_frame_bytes(header, EXPLICIT_VR_LITTLE_ENDIAN) == size
    assert native_frame_bytes(header, "1.2.840.10008.1.2.1.99") == size  # it comes inflated


def test_an_object_without_pixels_has_no_table() -> None:
    data = dataset("1.2.3", left_out=frozenset({PIXEL_DATA})) + long_element(0x00420011, b"OB", b"%PDF")
    assert frame_table(_header(data), 0) is None


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        (b"1994.11.05", b"10:30:01.5", ("19941105", "103001.5")),
        (b"1994.11.05", b"10:30 ", ("19941105", "1030")),
        (b"19941105", b"103001", ("19941105", "103001")),
        (b"unknown", b"noon", ("unknown", "noon")),
        (b"1994.1105 ", b"1030.5", ("1994.1105", "1030.5")),
    ],
)
def test_dates_and_times_of_before_dicom_are_kept_as_those_of_today(
    date: bytes, time: bytes, expected: tuple[str, str]
) -> None:
    more = ((0x00080020, "DA", date), (0x00080030, "TM", time))
    values = index_values(_header(dataset("1.2.3", more=more)))
    assert (values["study_date"], values["study_time"]) == expected


def test_a_study_of_before_dicom_is_found_by_its_date_and_its_object_is_as_it_came(parts: Parts) -> None:
    uid = new_uid()
    data = dataset(uid, more=((0x00080020, "DA", b"1994.11.05"), (0x00080030, "TM", b"10:30:01")))
    parts.service.store(expected(uid), [data])
    date, time = BY_COLUMN["study_date"], BY_COLUMN["study_time"]
    for conditions in (
        (Condition(date, Exact("19941105")),),
        (Condition(date, Range("19941101", "19941130")), Condition(time, Range("10", "11"))),
    ):
        query = Query(Level.STUDY, conditions, (date, time))
        (found,) = [row for page in parts.index.find(query) for row in page]
        assert (found["study_date"], found["study_time"]) == ("19941105", "103001")
    assert parts.kept(uid) == data
