"""Large bodies past the event loop: between the socket and worker threads, while the transport stands aside.

What a transport sends are bytes in memory, and what it receives comes in small pieces of memory of their own; memory
that was never touched costs more than the network. So bytes of stored files go from the file to the socket without
passing through this process (sendfile(2)), and a long body is received into one buffer by the thread that uses it. A
thread never waits for the client: when the socket takes or has no more, the event loop watches it until it does.
"""

import asyncio
import os
import select
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Final

from archimage.errors import StorageError
from archimage.ports.storage import FileSpan

DIRECT: Final = "archimage.response.direct"
"""The extension of ASGI by which the protocol offers this, and the type of its message: `pieces`, an iterator that
belongs to worker threads, and `run`, which has one do something. It is sent after the start of an answer, in place of
messages with its body; the last of those, which is empty, still ends it."""

DIRECT_BODY: Final = "archimage.request.direct"
"""The extension of ASGI by which the protocol offers this for the body of a request: `open`, which makes a
`DirectReceiver` of what has not been received by then; None where it is short, or its length is not known."""

Piece = bytes | memoryview | FileSpan
"""A file stays open until the piece after it is asked for."""

Run = Callable[[Callable[[], bool]], Awaitable[bool]]

_READ_BYTES: Final = 1 << 20
_GATHERED_BYTES: Final = 256 << 10
_TURN_S: Final = 0.02
"""So long one answer has a thread to itself, where others wait for one."""

_PATIENCE_MS: Final = 2.0
"""So long, in one turn, a thread waits for a client that is about to take or send more: another turn would cost as
much."""


def size(piece: Piece) -> int:
    """Return the length of a piece, bytes."""
    return piece.length if isinstance(piece, FileSpan) else len(piece)


def in_memory(pieces: Generator[Piece, None, None]) -> Generator[bytes | memoryview, None, None]:
    """Read what lies in files; pieces ends with it."""
    with closing(pieces):
        for piece in pieces:
            if isinstance(piece, FileSpan):
                for start in range(0, piece.length, _READ_BYTES):
                    yield os.pread(piece.descriptor, min(_READ_BYTES, piece.length - start), piece.offset + start)
            else:
                yield piece


def chunked(pieces: Iterable[Piece]) -> Generator[Piece, None, None]:
    """Frame pieces for an answer of unknown length (RFC 9112 §7.1); the last chunk is left to whoever ends it."""
    for piece in pieces:
        if size(piece):
            yield b"%x\r\n" % size(piece)
            yield piece
            yield b"\r\n"


class _DirectSocket:
    """A connected, non-blocking socket, of which this has a descriptor of its own until `close`."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._poll = select.poll()
        self._patience_ms = _PATIENCE_MS
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Give up, from any thread: nothing more is sent to the client, nor taken from it."""
        self._stopped.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is not connected any more
            return

    def close(self) -> None:
        """Let go of the descriptor."""
        self._socket.close()

    def _check_going_on(self) -> None:
        if self._stopped.is_set():
            raise ConnectionAbortedError

    def _is_ready(self) -> bool:
        """Wait for the socket, as long as the turn's patience lasts."""
        started = time.monotonic()
        ready = self._poll.poll(max(0.0, self._patience_ms))
        self._patience_ms -= 1000 * (time.monotonic() - started)
        return bool(ready)


class DirectReceiver(_DirectSocket):
    """The rest of a body: left_bytes of it are to come, behind those that came early.

    ended is called, in the thread, with whether it is whole: if not, the client is gone.
    """

    def __init__(self, descriptor: int, early: bytearray, left_bytes: int, ended: Callable[[bool], None]) -> None:
        super().__init__(descriptor)
        self._poll.register(self._socket, select.POLLIN)
        self._early = early
        self._left_bytes = left_bytes
        self._ended = ended
        self._buffer = bytearray(min(_READ_BYTES, left_bytes))

    @property
    def left_bytes(self) -> int:
        """How much has not been taken."""
        return self._left_bytes + len(self._early)

    def chunks(self) -> Iterator[tuple[bytearray, int]]:
        """Yield what comes, in a thread, for a while: a buffer, which is used again for the next, and how much of it.

        Raises:
            ConnectionError: the client is gone.
        """
        early, self._early = self._early, bytearray()
        if early:
            yield early, len(early)
        self._patience_ms = _PATIENCE_MS
        until = time.monotonic() + _TURN_S
        while self._left_bytes and time.monotonic() < until:
            try:
                self._check_going_on()
                count = self._socket.recv_into(self._buffer, min(self._left_bytes, len(self._buffer)))
                if not count:
                    raise ConnectionResetError
            except BlockingIOError:
                if not self._is_ready():
                    return
                continue
            except ConnectionError:
                self._ended(False)
                raise
            self._left_bytes -= count
            if not self._left_bytes:
                self._ended(True)
            yield self._buffer, count

    async def readable(self) -> None:
        """Wait until more has come, or the socket is shut down."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._socket.fileno(), readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._socket.fileno())


class DirectSender(_DirectSocket):
    """Sends the head of an answer and the pieces of its body.

    Raises, from `send`:
        ConnectionError: the client is gone.
        TimeoutError: it took nothing for timeout_s, seconds.
        StorageError: a file is shorter than its span, or the body is longer than limit_bytes.
    """

    def __init__(
        self, descriptor: int, head: bytes, pieces: Iterator[Piece], limit_bytes: float, timeout_s: float
    ) -> None:
        super().__init__(descriptor)
        self._head = head
        self._poll.register(self._socket, select.POLLOUT)
        self._pieces = pieces
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s
        self._bytes = memoryview(b"")
        self._span: FileSpan | None = None
        self.loaded_bytes = 0
        """How long the pieces were so far."""

    async def send(self, run: Run) -> None:
        """Send everything; no thread is at it any more when this returns or raises."""
        while not await self._turn(run):
            async with asyncio.timeout(self._timeout_s):
                await self._writable()

    async def _turn(self, run: Run) -> bool:
        working = asyncio.ensure_future(run(self._work))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.gather(working, return_exceptions=True)
            raise

    async def _writable(self) -> None:
        """Wait until the socket takes more, or is shut down."""
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        loop.add_writer(self._socket.fileno(), writable.set)
        try:
            await writable.wait()
        finally:
            loop.remove_writer(self._socket.fileno())

    def _work(self) -> bool:
        """Send in a thread for a while; tell whether that was all."""
        self._patience_ms = _PATIENCE_MS
        until = time.monotonic() + _TURN_S
        while time.monotonic() < until:
            self._check_going_on()
            try:
                if not self._step():
                    return True
            except BlockingIOError:
                if not self._is_ready():
                    return False
        return False

    def _step(self) -> bool:
        """Hand some bytes to the socket; tell whether there were any."""
        if not self._bytes and self._span is None:
            self._load()
        if self._bytes:
            more = 0 if self._span is None else socket.MSG_MORE
            self._bytes = self._bytes[self._socket.send(self._bytes, more) :]
        elif self._span is not None:
            self._span = _rest(self._span, os.sendfile(self._socket.fileno(), *self._span))
        else:
            return False
        return True

    def _load(self) -> None:
        """Take the next pieces: bytes, up to a file that follows them."""
        gathered: list[bytes | memoryview] = [self._head] if self._head else []
        self._head = b""
        gathered_bytes = 0
        for piece in self._pieces:
            self.loaded_bytes += size(piece)
            if self.loaded_bytes > self._limit_bytes:
                raise StorageError(f"an answer is longer than the {self._limit_bytes} bytes that were told")
            if isinstance(piece, FileSpan):
                if not piece.length:
                    continue
                self._span = piece
                break
            gathered.append(piece)
            gathered_bytes += len(piece)
            if gathered_bytes >= _GATHERED_BYTES:
                break
        self._bytes = memoryview(gathered[0] if len(gathered) == 1 else b"".join(gathered))


def _rest(span: FileSpan, sent: int) -> FileSpan | None:
    """Return what is left of a span."""
    if not sent:
        raise StorageError(f"an object ends {span.length} bytes early")
    left = span.length - sent
    return FileSpan(span.descriptor, span.offset + sent, left) if left else None
