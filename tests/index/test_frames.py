"""Frame tables survive as blobs, and stay small."""

from hypothesis import given
from hypothesis import strategies as st

from archimage.index.frames import decode_frames, encode_frames
from archimage.model.records import FrameTable

ENTRIES = st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**32)), max_size=20)


@given(st.booleans(), ENTRIES)
def test_any_table_comes_back(encapsulated: bool, entries: list[tuple[int, int]]) -> None:
    table = FrameTable(encapsulated, tuple(offset for offset, _ in entries), tuple(length for _, length in entries))
    assert decode_frames(encode_frames(table)) == table


def test_no_table_is_no_blob() -> None:
    assert encode_frames(None) is None
    assert decode_frames(None) is None


def test_ten_thousand_equal_fragments_take_little_room() -> None:
    table = FrameTable(True, tuple(2000 + 5008 * number for number in range(10_000)), (5000,) * 10_000)
    blob = encode_frames(table)
    assert blob is not None
    assert len(blob) < 2000
