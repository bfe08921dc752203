"""Tests of services.anatomy: reading what is deflated at any offset, and remembering within bounds."""

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.dicom.limits import DEFAULT_LIMITS, ScanLimits
from archimage.dicom.window import Held
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError
from archimage.model.records import FrameTable, StoredInstance
from archimage.services.anatomy import Anatomy, AnatomyMemory, InflatingReader, fragments_at
from tests.dicom.encoded import item

_START = 100
_PLAIN = b"".join(number.to_bytes(4, "little") for number in range(100_000))


def _deflated(plain: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return bytes(_START) + stream.compress(plain) + stream.flush()


_DEFLATED = _deflated(_PLAIN)


@given(st.lists(st.tuples(st.integers(0, len(_PLAIN) + 10), st.integers(0, 200_000)), max_size=6))
def test_a_deflated_data_set_is_read_at_any_offset(reads: list[tuple[int, int]]) -> None:
    reader = InflatingReader(Held(_DEFLATED), _START, DEFAULT_LIMITS)
    for offset, length in reads:
        assert reader.read(_START + offset, length) == _PLAIN[offset : offset + length]


def test_a_data_set_that_inflates_too_far_is_refused() -> None:
    limits = ScanLimits(max_inflated_bytes=1 << 20)
    reader = InflatingReader(Held(_deflated(bytes(2 << 20))), _START, limits)
    assert reader.read(_START, 10) == bytes(10)
    with pytest.raises(ExcessiveDatasetError):
        reader.read(_START + (2 << 20), 1)


def _instance(number: int) -> StoredInstance:
    return StoredInstance("1.2", "1.3", "1.2.840.10008.1.2", f"{number}.dcm", 1, 0, b"")


def _anatomy(fragments: int) -> Anatomy:
    return Anatomy(1, FrameTable(True, range(fragments), range(fragments)))


def _counted(anatomy: Anatomy, calls: list[int], number: int) -> Callable[[], Anatomy]:
    def make() -> Anatomy:
        calls.append(number)
        return anatomy

    return make


def test_what_was_asked_for_last_is_remembered() -> None:
    memory, calls = AnatomyMemory(), list[int]()
    for number in (*range(512), 0, 512, 0, 1):
        memory.get(_instance(number), _counted(_anatomy(1), calls, number))
    assert calls == [*range(513), 1]


def test_large_tables_are_remembered_as_far_as_there_is_room() -> None:
    memory, calls = AnatomyMemory(), list[int]()
    for number in (0, 1, 2, 0, 2, 0, 3, 3):
        memory.get(_instance(number), _counted(_anatomy(2_000_000 if number == 3 else 400_000), calls, number))
    assert calls == [0, 1, 2, 0, 3, 3]


def test_another_object_at_the_same_path_is_another() -> None:
    memory, calls = AnatomyMemory(), list[int]()
    for digest in (b"1", b"2", b"1"):
        one = StoredInstance("1.2", "1.3", "1.2.840.10008.1.2", "p", 1, 0, digest)
        memory.get(one, _counted(_anatomy(1), calls, int(digest)))
    assert calls == [1, 2]


@pytest.mark.parametrize("broken", [b"", item(b"", 0xE00D), item(b""), item(b"") + item(b"more")])
def test_fragments_without_their_delimiter_are_refused(broken: bytes) -> None:
    with pytest.raises(InvalidDatasetError, match="no fragment"):
        fragments_at(Held(broken), 0, DEFAULT_LIMITS)


def test_more_fragments_than_the_limit_are_refused() -> None:
    with pytest.raises(ExcessiveDatasetError):
        fragments_at(Held(item(b"") * 12), 0, ScanLimits(max_elements=10))
