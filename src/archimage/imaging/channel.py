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
_MAX_HEAD_BYTES: Final = 4 << 20

Buffer = bytes | memoryview


class Channel:
    """One end. Each call may be given a deadline, seconds of the monotonic clock, and raises TimeoutError at it."""

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
            self._wait_until(deadline)
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
        self._end.settimeout(0)
        try:
            self._end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Let it go."""
        self._end.close()

    def _read(self, size: int, deadline: float | None) -> bytes:
        buffer = bytearray(size)  # not touched until bytes come: a length that lies costs address space only
        rest = memoryview(buffer)
        while rest:
            self._wait_until(deadline)
            count = self._end.recv_into(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return bytes(buffer)

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            self._end.settimeout(None)
            return
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._end.settimeout(left_s)
