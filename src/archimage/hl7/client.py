"""Sends messages to others over MLLP, and reads what they answer; blocks."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from archimage.errors import ConnectionFailedError, DeliveryRefusedError, Hl7Error, PeerFailedError, TimerExpiredError
from archimage.hl7.acks import ACCEPTED, read_answer
from archimage.hl7.framing import END, START, Frame, Misframed, Reader, TooLong
from archimage.hl7.parsing import parse, read_header

MAX_ANSWER: Final = 1 << 20
_REJECTED: Final = frozenset({"AR", "CR"})
TlsContext = Callable[[], ssl.SSLContext]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is called; tls gives the context of the connection, None for none."""

    host: str
    port: int
    tls: TlsContext | None = None
    timeout_s: float = 30.0

    @classmethod
    def of(cls, address: str, tls: TlsContext | None = None) -> "Receiver":
        """Return the receiver at `host:port`."""
        host, _, port = address.rpartition(":")
        return cls(host.strip("[]"), int(port), tls)


def send(receiver: Receiver, message: bytes) -> str:
    """Send a message; return the code with which it was accepted, AA or CA.

    Raises:
        ConnectionFailedError: nobody answers there, or the connection ended.
        TimerExpiredError: the answer did not come in time.
        DeliveryRefusedError: the receiver rejects it, and would again.
        PeerFailedError: the receiver tells of an error, or its answer is none.
    """
    header = read_header(message)
    if header is None:
        raise DeliveryRefusedError("what is to be sent does not begin with a segment MSH")
    answered = _exchanged(receiver, START + message + END)
    try:
        segments = parse(answered, "8859/1").segments
    except Hl7Error as error:
        raise PeerFailedError(f"its answer cannot be read: {error}") from error
    code, control_id, text = read_answer(segments)
    if control_id != header.control_id:
        raise PeerFailedError("its answer is that to another message")
    if code in _REJECTED:
        raise DeliveryRefusedError(f"{code}: {text or 'no reason was given'}")
    if code not in ACCEPTED:
        raise PeerFailedError(f"{code[:8] or 'no code'}: {text or 'no reason was given'}")
    return code


def _exchanged(receiver: Receiver, framed: bytes) -> bytes:
    """Send bytes, and return the message that answers them."""
    where = f"{receiver.host}:{receiver.port}"
    due = time.monotonic() + receiver.timeout_s
    try:
        with socket.create_connection((receiver.host, receiver.port), receiver.timeout_s) as plain:
            if receiver.tls is None:
                return _answer(plain, framed, due)
            with receiver.tls().wrap_socket(plain, server_hostname=receiver.host) as secured:
                return _answer(secured, framed, due)
    except TimeoutError as error:
        raise TimerExpiredError(f"{where} did not answer in time") from error
    except OSError as error:
        raise ConnectionFailedError(f"{where}: {error.strerror or error}") from error


def _answer(connection: socket.socket, framed: bytes, due: float) -> bytes:
    connection.sendall(framed)
    reader = Reader(MAX_ANSWER)
    while True:
        connection.settimeout(max(0.001, due - time.monotonic()))
        data = connection.recv(64 << 10)
        if not data:
            raise ConnectionFailedError("the connection ended before the answer")
        for event in reader.receive(data):
            match event:
                case Frame():
                    return event.data
                case TooLong() | Misframed():
                    raise PeerFailedError("its answer is no message of MLLP")
