"""Inflating a deflated data set piece by piece, within bounds (PS3.5 §A.5)."""

import zlib
from collections.abc import Iterator
from typing import Final

from archimage.dicom.limits import ScanLimits
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError

_STEP_BYTES: Final = 64 << 10
_TRAILER_BYTES: Final = 8
"""Some writers let the checksum and length of a gzip member follow."""

_FREE_BYTES: Final = 1 << 20
"""Inflated bytes below which the ratio does not matter: small blank images are nearly nothing but zeros."""


class Inflater:
    """A raw deflate stream; holds at most one step of inflated bytes."""

    def __init__(self, limits: ScanLimits) -> None:
        self._limits = limits
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = 0
        self._given = 0
        self._beyond = 0

    def feed(self, piece: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Yield what the piece inflates to, in steps.

        Raises:
            InvalidDatasetError: it is no deflate stream, or more than a trailer follows its end.
            ExcessiveDatasetError: it inflates to more than the limits allow.
        """
        rest = bytes(piece)
        self._taken += len(rest)
        if self._stream.eof:
            self._pass_trailer(len(rest))
            return
        pending = True
        while pending and not self._stream.eof:
            inflated = self._inflate(rest)
            rest = self._stream.unconsumed_tail
            pending = bool(rest) or len(inflated) == _STEP_BYTES
            if inflated:
                self._given += len(inflated)
                self._check(len(rest))
                yield inflated
        self._pass_trailer(len(self._stream.unused_data))

    def _pass_trailer(self, size: int) -> None:
        self._beyond += size
        if self._beyond > _TRAILER_BYTES:
            raise InvalidDatasetError("bytes follow the end of the deflated data set")

    def finish(self) -> None:
        """Make sure that the stream has ended.

        Raises:
            InvalidDatasetError: it is cut short.
        """
        if not self._stream.eof:
            raise InvalidDatasetError("the deflated data set is cut short")

    def _inflate(self, piece: bytes) -> bytes:
        try:
            return self._stream.decompress(piece, _STEP_BYTES)
        except zlib.error as error:
            raise InvalidDatasetError(f"the data set cannot be inflated: {error}") from error

    def _check(self, unread: int) -> None:
        ratio = self._limits.max_inflate_ratio * (self._taken - unread)
        if self._given > self._limits.max_inflated_bytes or self._given > max(_FREE_BYTES, ratio):
            raise ExcessiveDatasetError(f"{self._taken} deflated bytes inflate to more than {self._given - 1}")
