"""The little of HTTP/1.1 and PS3.18 that the bench's own lean clients speak, written apart from the archive under test.

One connection, one request at a time; what is not to be kept is read into one buffer and counted. What is stored goes
from file to socket with sendfile.
"""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import wire
from bench.process import Running

ROOT = "/dicom-web/"
JSON = "application/dicom+json"
BOUNDARY = "bench-boundary"
BUFFER_BYTES = 1 << 20
PART_HEAD = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
PARTS_END = f"--{BOUNDARY}--\r\n".encode()


def multipart(media_type: str, syntax: str = "*") -> str:
    """Return the Accept header for parts of a media type, as OHIF writes it."""
    return f'multipart/related; type="{media_type}"; transfer-syntax="{syntax}"'


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; length counts the bytes of its body, which is empty unless it was to be kept."""

    status: int
    headers: Mapping[str, str]
    length: int
    body: bytes
    seconds: float

    def require(self, length: int = 1) -> Self:
        """Return itself when it is a success of at least so many bytes; else raises WireError."""
        if self.status != 200 or self.length < length:
            raise wire.WireError(f"HTTP answered {self.status} with {self.length} bytes: {self.body[:200]!r}")
        return self


class Connection:
    """A connection that is kept, and made anew where the server closed it."""

    def __init__(self, server: Running) -> None:
        self._port = server.http_port
        self._sock: socket.socket | None = None
        self._pending = bytearray()
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def get(self, path: str, accept: str, *, keep: bool = False) -> Answer:
        """Ask for a resource below the root, as a browser does: compressed where the server has it so."""
        fields = f"Host: localhost:{self._port}\r\nAccept: {accept}\r\nAccept-Encoding: gzip\r\n"
        start = time.perf_counter()
        self._open().sendall(f"GET {ROOT}{path} HTTP/1.1\r\n{fields}\r\n".encode())
        return self._answer(start, keep=keep)

    def store(self, files: Sequence[Path]) -> Answer:
        """Store Part 10 files in one request."""
        length = sum(len(PART_HEAD) + file.stat().st_size + 2 for file in files) + len(PARTS_END)
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        fields = (
            f"Host: localhost:{self._port}\r\nAccept: {JSON}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
        )
        start = time.perf_counter()
        sock = self._open()
        sock.sendall(f"POST {ROOT}studies HTTP/1.1\r\n{fields}\r\n".encode(), socket.MSG_MORE)
        send_parts(sock, files)
        return self._answer(start, keep=True)

    def _open(self) -> socket.socket:
        if self._sock is None:
            self._pending.clear()
            self._sock = wire.connect_socket(self._port)
        return self._sock

    def _answer(self, start: float, *, keep: bool) -> Answer:
        status, headers = self._head()
        kept = bytearray() if keep or status != 200 else None
        if headers.get("transfer-encoding") == "chunked":
            length = self._take_chunks(kept)
        elif "content-length" in headers:
            length = int(headers["content-length"])
            self._take(length, kept)
        else:
            length = 0 if status in {204, 304} else self._take_rest(kept)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, length, bytes(kept or b""), time.perf_counter() - start)

    def _head(self) -> tuple[int, dict[str, str]]:
        first = self._line()
        headers = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(first.split()[1]), headers

    def _line(self) -> str:
        while (end := self._pending.find(b"\r\n")) < 0:
            got = self._receive(BUFFER_BYTES)
            if not got:
                raise wire.WireError("the server closed the connection")
            self._pending += got
        line = self._pending[:end].decode("latin-1")
        del self._pending[: end + 2]
        return line

    def _take_chunks(self, kept: bytearray | None) -> int:
        length = 0
        while size := int(self._line().split(";")[0], 16):
            self._take(size, kept)
            self._line()
            length += size
        self._line()
        return length

    def _take(self, length: int, kept: bytearray | None) -> None:
        """Read so many bytes of a body, those first that came with what stands before them."""
        early = min(length, len(self._pending))
        if kept is not None:
            kept += self._pending[:early]
        del self._pending[:early]
        left = length - early
        while left:
            got = self._receive(left)
            if not got:
                raise wire.WireError(f"the server closed the connection, {left} bytes before the end")
            left -= len(got)
            if kept is not None:
                kept += got

    def _take_rest(self, kept: bytearray | None) -> int:
        """Read a body that ends with the connection."""
        length = len(self._pending)
        self._take(length, kept)
        while got := self._receive(BUFFER_BYTES):
            length += len(got)
            if kept is not None:
                kept += got
        self.close()
        return length

    def _receive(self, limit: int) -> memoryview:
        """Receive what there is into the buffer, which the next call uses again."""
        return self._buffer[: self._open().recv_into(self._buffer, min(limit, BUFFER_BYTES))]


def send_parts(sock: socket.socket, files: Sequence[Path]) -> None:
    """Send a body whose parts are files."""
    for file in files:
        sock.sendall(PART_HEAD, socket.MSG_MORE)
        _send_file(sock, file)
        sock.sendall(b"\r\n", socket.MSG_MORE)
    sock.sendall(PARTS_END)


def _send_file(sock: socket.socket, path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        offset, left = 0, os.fstat(file.fileno()).st_size
        while left:
            done = os.sendfile(sock.fileno(), file.fileno(), offset, left)
            offset, left = offset + done, left - done
