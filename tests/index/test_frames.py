"""Frame tables survive as blobs, and stay small."""

import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st

from archimage.index.frames import decode_frames, encode_frames
from archimage.model.records import FrameTable

NUMBERS = st.integers(0, 2**32)
ENTRIES = st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**32)), max_size=20)


@given(st.booleans(), ENTRIES)
def test_any_table_comes_back(encapsulated: bool, entries: list[tuple[int, int]]) -> None:
    table = FrameTable(encapsulated, tuple(offset for offset, _ in entries), tuple(length for _, length in entries))
    assert decode_frames(encode_frames(table)) == table


@given(ENTRIES, st.tuples(st.integers(0, 2**40), st.integers(0, 2**31), st.integers(0, 2**62)), st.lists(NUMBERS))
def test_what_is_told_of_frames_comes_back(
    entries: list[tuple[int, int]], told: tuple[int, int, int], firsts: list[int]
) -> None:
    offsets, lengths = tuple(offset for offset, _ in entries), tuple(length for _, length in entries)
    table = FrameTable(True, offsets, lengths, told[0], told[1], told[2], tuple(firsts))
    assert decode_frames(encode_frames(table)) == table


def test_a_blob_from_before_frames_were_told_is_still_read() -> None:
    numbers = (1000, 500, 8, 600)
    for blob in (b"\1" + struct.pack("<4q", *numbers), b"\3" + zlib.compress(struct.pack("<4q", *numbers))):
        assert decode_frames(blob) == FrameTable(True, (1000, 1508), (500, 600))


def test_no_table_is_no_blob() -> None:
    assert encode_frames(None) is None
    assert decode_frames(None) is None


def test_ten_thousand_equal_fragments_take_little_room() -> None:
    table = FrameTable(True, tuple(2000 + 5008 * number for number in range(10_000)), (5000,) * 10_000)
    blob = encode_frames(table)
    assert blob is not None
    assert len(blob) < 2000
