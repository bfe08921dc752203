"""Tests of services.journal_record."""

from hypothesis import given
from hypothesis import strategies as st

from archimage.model.records import FrameTable, InstanceRecord
from archimage.services.journal_record import JournalRecord

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
    frames=st.none() | st.builds(FrameTable, st.booleans(), _OFFSETS, _OFFSETS),
)


@given(
    st.builds(
        JournalRecord,
        _RECORDS,
        name=_TEXT,
        replaces=st.none() | _TEXT,
    )
)
def test_a_record_comes_back_as_it_was(record: JournalRecord) -> None:
    assert JournalRecord.decode(record.encode()) == record
