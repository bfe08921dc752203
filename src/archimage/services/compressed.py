"""Compressed JSON arrays that are joined without being inflated: a study's metadata out of that of its series.

The elements of one array are deflated up to a byte border, without brackets. A gzip member of several such parts has
brackets and commas between them as blocks that are stored, and a checksum that follows from those of the parts
(RFC 1951 §3.2.4, RFC 1952).
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

import xxhash

_LEVEL: Final = 6
_INFLATE_BYTES: Final = 256 << 10
_GZIP_HEAD: Final = bytes.fromhex("1f8b 08 00 00000000 00 ff")
_LAST_BLOCK: Final = bytes.fromhex("01 0000 ffff")
_STORED: Final = Struct("<BHH")
_TRAILER: Final = Struct("<II")
_POLYNOMIAL: Final = 0xEDB88320
_ONE: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Part:
    """The elements of a JSON array, joined with commas; crc32, size_bytes and digest are those of the text itself."""

    deflated: bytes
    crc32: int
    size_bytes: int
    count: int
    digest: bytes


def compress(elements: Iterable[bytes]) -> Part:
    """Compress the elements of an array, one after the other."""
    stream = zlib.compressobj(_LEVEL, wbits=-zlib.MAX_WBITS)
    deflated, digest = bytearray(), xxhash.xxh3_128()
    crc32 = size = count = 0
    for element in elements:
        text = b"," + element if count else element
        deflated += stream.compress(text)
        crc32 = zlib.crc32(text, crc32)
        digest.update(text)
        size += len(text)
        count += 1
    deflated += stream.flush(zlib.Z_FULL_FLUSH)
    return Part(bytes(deflated), crc32, size, count, digest.digest())


def gzip_array(parts: Iterable[Part]) -> bytes:
    """Return the array of all elements of parts, as one gzip member."""
    member = bytearray(_GZIP_HEAD)
    crc32, size = 0, 0

    def store(text: bytes) -> None:
        nonlocal crc32, size
        member.extend(_STORED.pack(0, len(text), len(text) ^ 0xFFFF) + text)
        crc32 = zlib.crc32(text, crc32)
        size += len(text)

    store(b"[")
    for number, part in enumerate(part for part in parts if part.count):
        if number:
            store(b",")
        member += part.deflated
        crc32 = _combined(crc32, part.crc32, part.size_bytes)
        size += part.size_bytes
    store(b"]")
    return bytes(member) + _LAST_BLOCK + _TRAILER.pack(crc32, size & 0xFFFFFFFF)


def inflate(gzip: bytes) -> Iterator[bytes]:
    """Yield in pieces what a gzip member holds."""
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    rest = gzip
    while not stream.eof:
        yield stream.decompress(rest, _INFLATE_BYTES)
        rest = stream.unconsumed_tail


def _combined(first: int, second: int, second_size: int) -> int:
    """Return the CRC-32 of two texts, one after the other: the first one's is shifted by the length of the second."""
    return _product(_shift(second_size), first) ^ second


def _shift(size_bytes: int) -> int:
    """Return x to the power of 8 * size_bytes modulo the CRC's polynomial; bits are reflected."""
    factor, shift = _ONE, _ONE >> 8
    while size_bytes:
        if size_bytes & 1:
            factor = _product(shift, factor)
        shift = _product(shift, shift)
        size_bytes >>= 1
    return factor


def _product(first: int, second: int) -> int:
    product, bit = 0, _ONE
    while bit:
        if first & bit:
            product ^= second
        second = second >> 1 ^ (_POLYNOMIAL if second & 1 else 0)
        bit >>= 1
    return product
