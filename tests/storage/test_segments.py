"""Tests of storage.segments: what is read back from a segment that is whole, torn, flipped or used again."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.ports.journal import JournalEntry
from archimage.storage.segments import (
    BLOCK,
    Segment,
    SegmentReader,
    blocks,
    encode_record,
    read_records,
    record_size,
    void,
)
from tests.storage.faults import file_size_limit

_SIZE = 32 * BLOCK
_HEAD = 32
_ENTRIES = [
    JournalEntry(b"first", b"pixels"),
    JournalEntry(b"second" * 1_000),
    JournalEntry(b"", b"no payload" * 900),
    JournalEntry(b"fourth", b"x"),
]


def _write(segment: Segment, entries: list[JournalEntry]) -> list[int]:
    """Write records; return where they begin."""
    offsets = []
    for entry in entries:
        offset = segment.reserve(record_size(entry))
        assert offset is not None
        segment.write(encode_record(segment.nonce, entry), offset)
        offsets.append(offset)
    segment.flush()
    return offsets


def _read(path: Path) -> list[JournalEntry]:
    return [JournalEntry(payload, data) for payload, data in read_records(path)]


def _length(entry: JournalEntry) -> int:
    """Length of a record without its padding."""
    return _HEAD + len(entry.payload) + len(entry.data) + 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a segment may be made."""
    return tmp_path / "one.journal"


def test_records_are_read_back_in_order(path: Path) -> None:
    segment = Segment.create(path, _SIZE, 1)
    assert not segment.used
    _write(segment, _ENTRIES)
    segment.close()
    assert segment.used
    assert _read(path) == _ENTRIES


def test_no_more_is_reserved_than_there_is(path: Path) -> None:
    segment = Segment.create(path, 3 * BLOCK, 1)
    assert segment.fits(2 * BLOCK)
    assert segment.reserve(2 * BLOCK + 1) is None
    assert segment.reserve(1) == BLOCK
    assert segment.reserve(BLOCK) == 2 * BLOCK
    assert segment.reserve(1) is None
    segment.close()


def test_a_torn_segment_gives_back_the_records_before_the_tear(path: Path) -> None:
    segment = Segment.create(path, _SIZE, 1)
    offsets = _write(segment, _ENTRIES)
    segment.close()
    whole = path.read_bytes()
    ends = [offset + _length(entry) for offset, entry in zip(offsets, _ENTRIES, strict=True)]
    for length in sorted({*range(0, len(whole), 509), *(end + by for end in ends for by in (-1, 0, 1))}):
        path.write_bytes(whole[:length])
        assert _read(path) == [entry for entry, end in zip(_ENTRIES, ends, strict=True) if end <= length]


@given(data=st.data())
def test_a_flipped_bit_costs_its_own_record_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("segments") / "one.journal"
    segment = Segment.create(path, _SIZE, 1)
    offsets = _write(segment, _ENTRIES)
    segment.close()
    hit = data.draw(st.integers(0, len(_ENTRIES) - 1))
    at = offsets[hit] + data.draw(st.integers(0, _length(_ENTRIES[hit]) - 1))
    flipped = bytearray(path.read_bytes())
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(flipped)
    assert _read(path) == [entry for number, entry in enumerate(_ENTRIES) if number != hit]


@pytest.mark.parametrize("at", [0, 8, 12, 20, 36, 43])
def test_a_broken_header_gives_back_nothing(path: Path, at: int) -> None:
    segment = Segment.create(path, _SIZE, 1)
    _write(segment, _ENTRIES)
    segment.close()
    flipped = bytearray(path.read_bytes())
    flipped[at] ^= 1
    path.write_bytes(flipped)
    assert _read(path) == []


def test_a_header_that_is_cut_gives_back_nothing(path: Path) -> None:
    path.write_bytes(b"ARCHIJ01")
    with SegmentReader(path) as reader:
        assert (reader.nonce(), reader.epoch()) == (None, 0)


@pytest.mark.parametrize("how", ["recycled", "adopted"])
def test_what_an_earlier_use_left_behind_never_counts(path: Path, how: str) -> None:
    segment = Segment.create(path, _SIZE, 1)
    _write(segment, _ENTRIES)
    if how == "recycled":
        again = segment.recycled(2)
    else:
        segment.close()
        again = Segment.adopt(path, 2)
    assert _read(path) == []
    _write(again, [JournalEntry(b"new")])
    again.close()
    assert _read(path) == [JournalEntry(b"new")]
    with SegmentReader(path) as reader:
        assert reader.epoch() == 2


def test_a_segment_that_is_closed_without_records_is_not_looked_through(path: Path) -> None:
    segment = Segment.create(path, _SIZE, 1)
    planted = encode_record(segment.nonce, JournalEntry(b"planted"))
    segment.write(planted, BLOCK)
    assert _read(path) == [JournalEntry(b"planted")]
    segment.close()
    assert _read(path) == []
    again = Segment.adopt(path, 2)
    _write(again, [JournalEntry(b"new")])
    again.close()
    assert _read(path) == [JournalEntry(b"new")]


def test_what_was_replayed_is_declared_void_once(path: Path) -> None:
    segment = Segment.create(path, _SIZE, 1)
    _write(segment, _ENTRIES)
    segment.close()
    void(path)
    assert _read(path) == []
    before = path.read_bytes()
    void(path)
    assert path.read_bytes() == before


def test_pixels_that_look_like_a_record_do_not_count(path: Path) -> None:
    segment = Segment.create(path, _SIZE, 1)
    forged = b"".join(encode_record(bytes(16), JournalEntry(b"forged")))
    offset = segment.reserve(len(forged))
    assert offset is not None
    segment.write([forged], offset)
    segment.close()
    assert _read(path) == []


@pytest.mark.parametrize("lengths", [(0xFFFFFFFF, 0), (0, 0xFFFFFFFF), (8, 8)])
def test_a_record_whose_length_lies_does_not_count(path: Path, lengths: tuple[int, int]) -> None:
    segment = Segment.create(path, _SIZE, 1)
    lie = struct.pack("<8s16sII", b"ARCHIR01", segment.nonce, *lengths)
    offset = segment.reserve(len(lie))
    assert offset is not None
    segment.write([lie], offset)
    segment.close()
    assert _read(path) == []


def test_a_segment_that_cannot_be_made_leaves_no_file(path: Path) -> None:
    with file_size_limit(BLOCK), pytest.raises(OSError, match="File too large"):
        Segment.create(path, _SIZE, 1)
    assert not path.exists()


@given(st.integers(0, 1 << 40))
def test_blocks_are_rounded_up(length: int) -> None:
    assert 0 <= blocks(length) - length < BLOCK
    assert blocks(length) % BLOCK == 0
