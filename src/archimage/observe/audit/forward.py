"""From the journals to a repository of audit messages: syslog over TLS, whatever that is away for.

One process of an archive at a time sends what all of its journals hold, each in its order. Syslog knows no
acknowledgement, so what was sent counts as delivered when the repository's host has it and the connection has stood for
SETTLE_S longer; only then is the place in the journal remembered. Whatever was sent in the last seconds before a
connection broke is sent again: a message may come twice, but none is missing.
"""

import fcntl
import socket
import ssl
import struct
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from archimage.logger import logger
from archimage.observe.audit.records import Record
from archimage.observe.audit.syslog import frame
from archimage.observe.audit.tail import Place, keep_place, read_on, read_place

SETTLE_S: Final = 5.0
TIMEOUT_S: Final = 30.0
MAX_SENT: Final = 2_000
"""Messages that may be on their way; no more are sent until some count as delivered."""
_LOOK_EVERY_S: Final = 0.5
_BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_log = logger("security")


class Held(Protocol):
    """The right to forward."""

    def close(self) -> None:
        """Let others have it."""


@dataclass(frozen=True, slots=True)
class Repository:
    """Where messages go; context makes what the connection is secured with, and is asked before each."""

    host: str
    port: int
    context: Callable[[], ssl.SSLContext]


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message on its way: of which journal, the place after it, when it was sent and when it was written."""

    journal: str
    place: Place
    sent_at: float
    written: str


class _State:
    """What the thread that sends, and those who ask it, share."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ending = threading.Event()
        self.awake = threading.Event()
        self.oldest = ""
        """When the oldest message was written that is not delivered; empty where all are."""

    def journals(self) -> list[Path]:
        """Return the directories of all journals."""
        return sorted(path for path in self.directory.iterdir() if path.is_dir())

    def look(self) -> bool:
        """Note the oldest message that waits; tell whether there is one."""
        waiting = (_first_waiting(directory) for directory in self.journals())
        self.oldest = min((record.time for record in waiting if record is not None), default="")
        return bool(self.oldest)


class Forwarder:
    """Sends what stands in the journals below a directory, in a thread of its own; take_turn gives the right to."""

    def __init__(self, directory: Path, repository: Repository, take_turn: Callable[[], Held | None]) -> None:
        self._repository = repository
        self._take_turn = take_turn
        self._state = _State(directory)
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="audit-forward")
        self._thread.start()

    @property
    def unsent_s(self) -> float:
        """How old the oldest message is that the repository does not have yet, seconds; 0 where it has all."""
        oldest = self._state.oldest
        return max(0.0, time.time() - datetime.fromisoformat(oldest).timestamp()) if oldest else 0.0

    def wake(self) -> None:
        """Look at once: something was written."""
        self._state.awake.set()

    def close(self) -> None:
        """End; what is not delivered yet is sent by the next who forwards."""
        self._state.ending.set()
        self._state.awake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._state.ending.is_set():
            turn = self._take_turn()
            if turn is None:
                self._state.ending.wait(_BACK_OFF_S[-1])
                continue
            with closing(turn):
                self._forward()

    def _forward(self) -> None:
        while not self._state.ending.is_set():
            try:
                if self._state.look():
                    self._send()
                else:
                    self._pause(_BACK_OFF_S[0])
            except Exception as error:  # of network, TLS, certificates or disk: the next attempt may work
                if not self._failures:
                    _log.error("the audit repository is away: messages are kept for it", reason=str(error))
                self._failures += 1
                self._state.ending.wait(_BACK_OFF_S[min(self._failures, len(_BACK_OFF_S)) - 1])

    def _send(self) -> None:
        """Send over one connection until it breaks, or the end has come."""
        repository = self._repository
        with ExitStack() as opened:
            plain = opened.enter_context(socket.create_connection((repository.host, repository.port), TIMEOUT_S))
            secured = opened.enter_context(repository.context().wrap_socket(plain, server_hostname=repository.host))
            if self._failures:
                _log.warning("the audit repository is there again")
            self._failures = 0
            connection = _Connection(self._state, secured)
            while not self._state.ending.is_set():
                connection.step()
                self._pause(_LOOK_EVERY_S)

    def _pause(self, wait_s: float) -> None:
        self._state.awake.wait(wait_s)
        self._state.awake.clear()


class _Connection:
    """One connection to the repository."""

    def __init__(self, state: _State, secured: ssl.SSLSocket) -> None:
        self._state = state
        self._secured = secured
        self._host = socket.gethostname()
        self._sent: deque[_Sent] = deque()
        self._places: dict[str, Place] = {}

    def step(self) -> None:
        """Send what there is, and remember what is delivered; raises OSError when the connection breaks."""
        self._listen()
        for directory in self._state.journals():
            self._send_journal(directory)
        self._settle()

    def _send_journal(self, directory: Path) -> None:
        journal = directory.name
        place = self._places.get(journal) or read_place(directory)
        for record, after in read_on(directory, place):
            if len(self._sent) >= MAX_SENT or self._state.ending.is_set():
                return
            if record is None:
                _log.error("a record of the audit journal was changed, and is not sent", journal=journal)
            elif record.kind == "event":
                self._secured.sendall(frame(record.payload, record.time, self._host, journal))
                self._sent.append(_Sent(journal, after, time.monotonic(), record.time))
            self._places[journal] = after

    def _settle(self) -> None:
        """Remember what counts as delivered."""
        settled: dict[str, Place] = {}
        if not _unacknowledged(self._secured):
            limit = time.monotonic() - SETTLE_S
            while self._sent and self._sent[0].sent_at <= limit:
                sent = self._sent.popleft()
                settled[sent.journal] = sent.place
        for journal, place in settled.items():
            keep_place(self._state.directory / journal, place)
        self._state.oldest = self._sent[0].written if self._sent else ""

    def _listen(self) -> None:
        """Notice that the repository has ended the connection; it has nothing else to say."""
        self._secured.setblocking(False)
        try:
            if not self._secured.recv(4_096):
                raise ConnectionResetError("the repository ended the connection")
        except ssl.SSLWantReadError:
            return
        finally:
            self._secured.settimeout(TIMEOUT_S)


def _first_waiting(directory: Path) -> Record | None:
    """Return the first message of a journal that is not known to be delivered."""
    following = (record for record, _ in read_on(directory, read_place(directory)))
    return next((record for record in following if record is not None and record.kind == "event"), None)


def _unacknowledged(connection: socket.socket) -> int:
    """Return how many bytes the peer's host has not acknowledged."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, struct.pack("i", 0)))
    return int(count)
