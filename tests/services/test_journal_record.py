"""Tests of services.journal_record."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from archimage.model.records import FrameTable, InstanceRecord, Original
from archimage.services.journal_record import JournalRecord

_NUMBERS = st.integers(0, 1 << 40)
_OFFSETS = st.lists(st.integers(0, 1 << 40), max_size=5).map(tuple)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_RECORDS = st.builds(
    InstanceRecord,
    values=st.dictionaries(_TEXT, _TEXT, max_size=5),
    transfer_syntax_uid=_TEXT,
    path=_TEXT,
    size_bytes=st.integers(0, 1 << 40),
    data_set_offset=st.integers(0, 1 << 20),
    digest=st.binary(min_size=16, max_size=16),
    received_at=st.floats(0, 1e10),
    source_ae_title=_TEXT,
    original=st.none() | st.builds(Original, _TEXT, _NUMBERS, st.binary(min_size=32, max_size=32)),
    compress_to=_TEXT,
    frames=st.none() | st.builds(FrameTable, st.booleans(), _OFFSETS, _OFFSETS, _NUMBERS, _NUMBERS, _NUMBERS, _OFFSETS),
)


@given(
    st.builds(
        JournalRecord,
        _RECORDS,
        name=_TEXT,
        replaces=st.none() | _TEXT,
        removals=_NUMBERS,
    )
)
def test_a_record_comes_back_as_it_was(record: JournalRecord) -> None:
    assert JournalRecord.decode(record.encode()) == record


def test_a_record_of_the_first_release_is_still_read() -> None:
    frames = FrameTable(True, (10, 20), (5, 5))
    record = InstanceRecord({}, "1.2", "p", 1, 2, b"\1" * 16, 3.0, "AE", frames)
    body = orjson.loads(JournalRecord(record, "name", None).encode())
    del body["removals"]
    del body["record"]["original"], body["record"]["compress_to"]
    body["record"]["frames"] = {"encapsulated": True, "offsets": [10, 20], "lengths": [5, 5]}
    assert JournalRecord.decode(orjson.dumps(body)) == JournalRecord(record, "name", None, 0)
