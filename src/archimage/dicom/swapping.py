"""Values from one byte order into the other (PS3.5 §7.3), by the standard library alone."""

from array import array
from types import MappingProxyType
from typing import Final

_CODES: Final = MappingProxyType({array(code).itemsize: code for code in "BHIQ"})


def swapped(data: bytes | memoryview, width: int) -> bytes:
    """Turn the bytes of every word of width bytes, 1, 2, 4 or 8; data is a multiple of it."""
    words = array(_CODES[width])
    words.frombytes(data)
    words.byteswap()
    return words.tobytes()
