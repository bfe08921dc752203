"""Messages between the server and a worker, over a pair of sockets; neither trusts the other's lengths.

uint32 length of head | uint64 length of data | head: JSON object | data        little endian
"""

import socket
import time
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final

import orjson

_LENGTHS: Final = Struct("<IQ")
_TIMEVAL: Final = Struct("@ll")
_FOR_EVER: Final = _TIMEVAL.pack(0, 0)
_MAX_HEAD_BYTES: Final = 4 << 20

Buffer = bytes | memoryview


class Channel:
    """One end. Each call may be given a deadline, seconds of the monotonic clock, and raises TimeoutError at it.

    While a message comes the kernel keeps the time: one call then brings a whole frame, into the bytes handed on.
    """

    def __init__(self, end: socket.socket, max_data_bytes: int) -> None:
        self._end = end
        self._max_data_bytes = max_data_bytes

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._end.fileno()

    def send(self, head: Mapping[str, Any], data: Sequence[Buffer], deadline: float | None = None) -> None:
        """Send a message; OSError when the other side has left."""
        encoded = orjson.dumps(head)
        size = sum(memoryview(piece).nbytes for piece in data)
        for piece in (_LENGTHS.pack(len(encoded), size) + encoded, *data):
            self._end.settimeout(None if deadline is None else _left_s(deadline))
            self._end.sendall(piece)

    def receive(self, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
        """Return the next message.

        Raises:
            EOFError: the other side has left.
            ValueError: what it sent is no message.
            OSError: the connection is lost.
        """
        head_bytes, data_bytes = _LENGTHS.unpack(self._read(_LENGTHS.size, deadline))
        if head_bytes > _MAX_HEAD_BYTES or data_bytes > self._max_data_bytes:
            raise ValueError(f"a message of {head_bytes} and {data_bytes} bytes")
        head = orjson.loads(self._read(head_bytes, deadline))
        if not isinstance(head, dict):
            raise ValueError("the head of a message is no object")
        return head, self._read(data_bytes, deadline)

    def is_silent(self) -> bool:
        """Tell whether the other side is there and nothing of it waits to be read."""
        try:
            self._end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Let it go."""
        self._end.close()

    def _read(self, size: int, deadline: float | None) -> bytes:
        self._end.settimeout(None)
        parts: list[bytes] = []
        while size:
            limit = _FOR_EVER if deadline is None else _timeval(_left_s(deadline))
            self._end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            try:
                part = self._end.recv(size, socket.MSG_WAITALL)  # a length that lies costs address space only
            except BlockingIOError:
                raise TimeoutError from None
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _timeval(seconds: float) -> bytes:
    """Return a time, at least a microsecond, as setsockopt(2) takes it."""
    return _TIMEVAL.pack(*divmod(int(seconds * 1e6) or 1, 1_000_000))
