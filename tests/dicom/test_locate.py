"""Tests of dicom.locate: it finds what a walk over the whole data set finds, and nothing else."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.dicom.elements import Item, RawElement, iter_elements
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.limits import ScanLimits
from archimage.dicom.locate import Located, locate
from archimage.dicom.window import Held
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import nested
from tests.dicom.encoded import element, item, long_element, pixels, sequence
from tests.dicom.files import BROKEN, real_dataset, real_files


class _Counted(Held):
    """A data set in memory that counts what is read of it."""

    read_bytes = 0

    def read(self, offset: int, length: int, /) -> bytes:
        """Count and read."""
        found = super().read(offset, length)
        self.read_bytes += len(found)
        return found


def _found(data: bytes, *path: int) -> Located | None:
    return locate(Held(data), EXPLICIT_VR_LITTLE_ENDIAN, path)


def _walked(elements: Item, above: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], RawElement]]:
    """Yield every element that is no sequence, with its path."""
    for one in elements:
        if one.vr == "SQ":
            for number, inner in enumerate(one.items, 1):
                yield from _walked(inner, (*above, one.tag, number))
        else:
            yield (*above, one.tag), one


_FILES = [
    path
    for path in real_files()
    if path.name not in BROKEN and real_dataset(path)[0].transfer_syntax_uid not in DEFLATED_SYNTAXES
]


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_every_element_of_every_real_file_is_found(path: Path) -> None:
    meta, data = real_dataset(path)
    known: dict[tuple[int, ...], RawElement] = {}
    for where, one in _walked(tuple(iter_elements(data, meta.transfer_syntax_uid))):
        known.setdefault(where, one)  # of several under one tag, which no data set may have, the first is found
    for where in list(known)[:: max(1, len(known) // 40)]:
        one = known[where]
        expected = Located(one.vr, one.offset, one.length, one.little)
        assert locate(Held(data), meta.transfer_syntax_uid, where) == expected


def test_values_on_the_way_are_not_read() -> None:
    data = long_element(0x00420011, b"OB", bytes(50 << 20)) + element(0x00420012, b"LO", b"application/pdf ")
    source = _Counted(data)
    assert locate(source, EXPLICIT_VR_LITTLE_ENDIAN, (0x00420012,)) == Located("LO", len(data) - 16, 16, True)
    assert source.read_bytes < 10_000


@pytest.mark.parametrize("undefined", [True, False])
def test_what_follows_sequences_and_fragments_is_found(undefined: bool) -> None:
    inner = sequence(0x00081140, element(0x00081150, b"UI", b"1.2\0"), undefined=undefined)
    data = sequence(0x00081115, inner * 3, undefined=undefined) + pixels(b"one1", b"two2")
    at = len(data) + 8
    assert _found(data + element(0xFFFAFFFA, b"LO", b"last"), 0xFFFAFFFA) == Located("LO", at, 4, True)


def test_an_empty_item_holds_nothing() -> None:
    for length in (0, 0xFFFFFFFF):
        empty = struct.pack("<HHI", 0xFFFE, 0xE000, length) + (item(b"", 0xE00D) if length else b"")
        second = item(element(0x00081150, b"UI", b"1.2\0"))
        data = long_element(0x00081140, b"SQ", empty + second)
        assert _found(data, 0x00081140, 1, 0x00081150) is None
        assert _found(data, 0x00081140, 2, 0x00081150) is not None
        assert _found(data, 0x00081140, 3, 0x00081150) is None


def test_a_data_set_that_is_cut_or_lies_is_refused() -> None:
    sequence_ = sequence(0x00081140, element(0x00081150, b"UI", b"1.2\0"), undefined=True)
    for broken in (sequence_[:-8], sequence_[:-16], pixels(b"one1")[:-8], sequence_[:-16] + b"\1" * 16):
        with pytest.raises(InvalidDatasetError):
            _found(broken, 0xFFFAFFFA)


@pytest.mark.parametrize("depth", [65, 5000])
def test_sequences_deeper_than_the_limit_are_refused(depth: int) -> None:
    with pytest.raises(InvalidDatasetError, match="nest deeper"):
        _found(nested(depth, undefined=True), 0xFFFAFFFA)


def test_more_elements_than_the_limit_are_refused() -> None:
    data = element(0x00081150, b"UI", b"1.2\0") * 100
    with pytest.raises(ExcessiveDatasetError):
        locate(Held(data), EXPLICIT_VR_LITTLE_ENDIAN, (0xFFFAFFFA,), ScanLimits(max_elements=99))


@pytest.mark.parametrize("data", [b"", b"\x08\0", b"\x08\0\x05\0CS\0\0"])
def test_hardly_anything_holds_nothing(data: bytes) -> None:
    assert _found(data, 0x00080008) is None
