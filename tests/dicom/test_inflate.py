"""Inflating is bounded and takes pieces of any size."""

import zlib

import pytest

from archimage.dicom.inflate import Inflater
from archimage.dicom.limits import ScanLimits
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

DATA = bytes(range(256)) * 40
DEFLATED = zlib.compress(DATA, wbits=-15)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("trailer", [b"", b"\0", bytes(8)])
def test_any_pieces_inflate_to_the_same(size: int, trailer: bytes) -> None:
    inflater = Inflater(ScanLimits())
    data = DEFLATED + trailer
    pieces = [piece for start in range(0, len(data), size) for piece in inflater.feed(data[start : start + size])]
    inflater.finish()
    assert b"".join(pieces) == DATA


@pytest.mark.parametrize("size", [1, 10_000])
def test_more_than_a_trailer_is_invalid(size: int) -> None:
    inflater = Inflater(ScanLimits())
    data = DEFLATED + bytes(9)
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    with pytest.raises(InvalidDatasetError, match="follow the end"):
        [list(inflater.feed(piece)) for piece in pieces]


def test_what_is_cut_short_or_no_deflate_stream_is_invalid() -> None:
    inflater = Inflater(ScanLimits())
    list(inflater.feed(DEFLATED[:-1]))
    with pytest.raises(InvalidDatasetError, match="cut short"):
        inflater.finish()
    with pytest.raises(InvalidDatasetError, match="cannot be inflated"):
        list(Inflater(ScanLimits()).feed(b"\xff" * 10))


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_no_more_than_a_step_is_inflated_at_once(size: int) -> None:
    inflater = Inflater(ScanLimits(max_inflate_ratio=1 << 20))
    steps = [len(step) for step in inflater.feed(zlib.compress(bytes(size), wbits=-15))]
    inflater.finish()
    assert max(steps) == 64 << 10
    assert sum(steps) == size


def test_the_size_is_bounded() -> None:
    with pytest.raises(ExcessiveDatasetError):
        list(Inflater(ScanLimits(max_inflated_bytes=len(DATA) - 1)).feed(DEFLATED))
    assert b"".join(Inflater(ScanLimits(max_inflated_bytes=len(DATA))).feed(DEFLATED)) == DATA
