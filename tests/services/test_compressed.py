"""Compressed arrays join into one gzip member that any reader takes."""

import gzip

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.services.compressed import compress, gzip_array, inflate

_ELEMENTS = st.lists(st.binary(max_size=40).map(lambda raw: orjson.dumps(raw.hex())), max_size=4)


@given(arrays=st.lists(_ELEMENTS, max_size=4))
def test_parts_join_to_the_array_of_all_elements(arrays: list[list[bytes]]) -> None:
    member = gzip_array(map(compress, arrays))
    text = b"[" + b",".join(element for array in arrays for element in array) + b"]"
    assert gzip.decompress(member) == text == b"".join(inflate(member))


@pytest.mark.parametrize("size", [0, 1, 255, 65_535, 65_536, 3_000_001])
def test_long_elements_come_out_in_pieces_and_whole(size: int) -> None:
    element = orjson.dumps("x" * size)
    member = gzip_array([compress([element, b"1"]), compress([element])])
    pieces = list(inflate(member))
    assert b"".join(pieces) == gzip.decompress(member) == b"[" + element + b",1," + element + b"]"
    assert max(map(len, pieces)) <= 256 << 10


def test_a_part_is_known_by_its_text() -> None:
    assert compress([b"1", b"2"]) == compress(iter([b"1", b"2"]))
    assert compress([b"1", b"2"]).digest == compress([b"1,2"]).digest != compress([b"2", b"1"]).digest
    assert (compress([b"1", b"22"]).count, compress([b"1", b"22"]).size_bytes) == (2, 4)
