"""Encoded elements written by hand, explicit little endian."""

import struct


def sequence(tag: int, value: bytes, *, undefined: bool = False) -> bytes:
    """An explicit little endian sequence of one item."""
    length = 0xFFFFFFFF
    head = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"SQ", 0, length if undefined else len(value) + 8)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, length if undefined else len(value)) + value
    return head + item + (bytes.fromhex("feff0de000000000feffdde000000000") if undefined else b"")


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """An explicit little endian element of a short VR."""
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def long_element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An explicit little endian element of a long VR."""
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, len(value) if length is None else length) + value


def item(value: bytes, tag: int = 0xE000) -> bytes:
    return struct.pack("<HHI", 0xFFFE, tag, len(value)) + value


def pixels(*fragments: bytes) -> bytes:
    """Encapsulated pixel data with an empty offset table, as fragments."""
    inner = b"".join(item(fragment) for fragment in (b"", *fragments)) + item(b"", 0xE0DD)
    return long_element(0x7FE00010, b"OB", inner, 0xFFFFFFFF)
