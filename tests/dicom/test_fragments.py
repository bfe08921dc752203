"""Frames are found among fragments by offset tables, by number or by codestreams; what cannot be told is refused."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate_extended, generate_fragments, parse_basic_offsets

from archimage.dicom.fragments import (
    basic_offset_table,
    begins_codestream,
    encapsulate,
    extended_offset_table,
    frames_of,
    item_head,
    needs_extended,
    parse_offsets,
)
from archimage.errors import InvalidPixelDataError


def laid(*lengths: int, start: int = 1000) -> list[tuple[int, int]]:
    """Fragments of these lengths, one behind the other."""
    fragments = []
    for length in lengths:
        fragments.append((start, length))
        start += length + 8
    return fragments


def test_one_fragment_a_frame_needs_no_table() -> None:
    assert frames_of(laid(10, 20, 30), 3) == ((0, 1), (1, 1), (2, 1))


def test_a_single_frame_has_all_fragments() -> None:
    assert frames_of(laid(10, 20, 30), 1) == ((0, 3),)


def test_tables_tell_frames_of_several_fragments_apart() -> None:
    fragments = laid(10, 20, 30, 40)
    assert frames_of(fragments, 2, (0, 46)) == ((0, 2), (2, 2))
    assert frames_of(fragments, 2, (), (0, 18)) == ((0, 1), (1, 3))
    assert frames_of(fragments, 2, (0, 46), (0, 18)) == ((0, 1), (1, 3))


@pytest.mark.parametrize(
    "offsets", [(0, 1), (0, 46, 84), (8, 46), (0, 0), (46, 0), (0, 10_000), (0, 1 << 60), (0, 122)]
)
def test_a_table_that_does_not_fit_is_passed_over(offsets: tuple[int, ...]) -> None:
    assert frames_of(laid(10, 20), 2, offsets) == ((0, 1), (1, 1))
    with pytest.raises(InvalidPixelDataError, match="3 fragments cannot be told apart as 2 frames"):
        frames_of(laid(10, 20, 30), 2, offsets)


def test_codestreams_tell_frames_apart_where_nothing_else_does() -> None:
    fragments = laid(10, 20, 30, 40)
    assert frames_of(fragments, 2, begins={0, 3}.__contains__) == ((0, 3), (3, 1))
    for begins in ({0}, {1, 3}, {0, 1, 2}):
        with pytest.raises(InvalidPixelDataError):
            frames_of(fragments, 2, begins=begins.__contains__)


@pytest.mark.parametrize(("count", "frames"), [(0, 1), (1, 2), (0, 0x7FFFFFFF)])
def test_fewer_fragments_than_frames_are_refused(count: int, frames: int) -> None:
    with pytest.raises(InvalidPixelDataError):
        frames_of(laid(*[10] * count), frames)


@given(
    st.lists(st.integers(0, 50), max_size=8),
    st.integers(0, 5),
    st.lists(st.integers(0, 400), max_size=5),
    st.lists(st.integers(0, 400), max_size=5),
)
def test_whatever_the_tables_say_frames_are_whole_and_in_order(
    lengths: list[int], frames: int, basic: list[int], extended: list[int]
) -> None:
    try:
        found = frames_of(laid(*lengths), frames, basic, extended)
    except InvalidPixelDataError:
        return
    assert len(found) == frames
    assert [number for first, count in found for number in range(first, first + count)] == list(range(len(lengths)))
    assert all(count for _, count in found)


def test_codestreams_are_known_by_their_first_bytes() -> None:
    assert begins_codestream(b"\xff\xd8\xff\xe0rest")
    assert begins_codestream(memoryview(b"\xff\x4f\xff\x51rest"))
    assert not begins_codestream(b"\xff\xd9")
    assert not begins_codestream(b"")


def test_offsets_are_read_whole() -> None:
    assert parse_offsets(struct.pack("<3I", 1, 2, 3) + b"\1\2") == (1, 2, 3)
    assert parse_offsets(struct.pack("<2Q", 1, 1 << 40), extended=True) == (1, 1 << 40)
    assert parse_offsets(b"") == ()


@given(st.lists(st.binary(min_size=2, max_size=9), max_size=6))
def test_what_is_encapsulated_is_read_by_pydicom(frames: list[bytes]) -> None:
    lengths = [len(frame) for frame in frames]
    value = basic_offset_table(lengths) + b"".join(encapsulate(frames))
    assert value.endswith(bytes.fromhex("feffdde000000000"))
    buffer = BytesIO(value)
    offsets = parse_basic_offsets(buffer)
    assert [fragment[:length] for fragment, length in zip(generate_fragments(buffer), lengths, strict=True)] == frames
    positions = laid(*(length + length % 2 for length in lengths))
    assert offsets == [start - 1000 for start, _ in positions]
    if frames:
        _, expected_offsets, expected_lengths = encapsulate_extended(frames)
        assert extended_offset_table(lengths) == (expected_offsets, expected_lengths)
        assert frames_of(positions, len(frames), offsets) == tuple((number, 1) for number in range(len(frames)))


def test_beyond_32_bits_the_extended_table_is_needed() -> None:
    lengths = [0xFFFFFFF8, 2]
    assert not needs_extended([0xFFFFFFF6, 2])
    assert not needs_extended([])
    assert needs_extended(lengths)
    assert basic_offset_table(lengths) == item_head(0)
    assert struct.unpack("<2Q", extended_offset_table(lengths)[0]) == (0, 0x100000000)
