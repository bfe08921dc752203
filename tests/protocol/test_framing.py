"""Headers and bodies in a byte stream, PS3.8 §9.3.1."""

import pytest

from archimage.protocol.framing import PDUFramer

STREAM = memoryview(bytes.fromhex("07 00 00000004 00000206" * 2 + "05 00 00000004 00000000"))


def _cut(framer: PDUFramer, sizes: int, *, wanted: tuple[bool, bool, bool]) -> list[object]:
    units: list[object] = []
    due = list(wanted)
    for start in range(0, len(STREAM), sizes):
        piece, position = STREAM[start : start + sizes], 0
        while position < len(piece):
            unit, position = framer.read(piece, position, len(piece))
            if isinstance(unit, tuple):
                (framer.collect if due.pop(0) else framer.skip)(unit[1])
            if unit is not None:
                units.append(unit)
    return units


@pytest.mark.parametrize("sizes", [1, 3, 7, 30])
def test_bodies_that_are_wanted_come_whole(sizes: int) -> None:
    assert _cut(PDUFramer(), sizes, wanted=(True, False, True)) == [(7, 4), b"\0\0\2\6", (7, 4), (5, 4), bytes(4)]


def test_a_body_under_way_may_be_given_up() -> None:
    framer = PDUFramer()
    framer.read(STREAM, 0, 6)
    framer.collect(4)
    framer.read(STREAM, 6, 8)

    framer.skip(0)

    assert framer.read(STREAM, 8, 30) == (None, 10)
    assert framer.read(STREAM, 10, 30) == ((7, 4), 16)
