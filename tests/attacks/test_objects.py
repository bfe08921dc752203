"""Objects without a patient that are small on the wire and would be much in memory."""

import struct
from collections.abc import Callable
from typing import Final

import pytest

from archimage.protocol.negotiation import PresentationContext
from archimage.protocol.pdu import AssociateRequest
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.server import Server
from tests.attacks.wire import Peer

_HANGING: Final = "1.2.840.10008.5.1.4.38.1"
_ITEM: Final = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
_OPEN_ITEM: Final = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)


def _head(tag: int, vr: bytes, length: int) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, length)


def _items() -> bytes:
    return _head(0x00720400, b"SQ", 40 << 20) + _ITEM * (5 << 20)


def _elements() -> bytes:
    return b"".join(struct.pack("<HH2sH", 0x0011, 0x1000 + number, b"LO", 0) for number in range(60_000)) * 80


def _values() -> bytes:
    return _head(0x00720066, b"UC", 40 << 20) + b"a\\" * (20 << 20)


def _depth() -> bytes:
    return (_head(0x00720400, b"SQ", 0xFFFFFFFF) + _OPEN_ITEM) * 50_000


@pytest.mark.parametrize(
    ("make", "status"), [(_items, 0xA700), (_elements, 0xA700), (_values, 0xA700), (_depth, 0xC000)]
)
def test_an_object_that_would_fill_the_memory_is_refused(
    server: Server, make: Callable[[], bytes], status: int
) -> None:
    contexts = (PresentationContext(1, _HANGING, (EXPLICIT_VR_LITTLE_ENDIAN,)),)
    with Peer.associated(server.port, AssociateRequest("PACS_SCP", "ATTACKER", contexts)) as peer:
        assert peer.store("1.2.3", make(), sop_class_uid=_HANGING, context_id=1) == status
        peer.release()
