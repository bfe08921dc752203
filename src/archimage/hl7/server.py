"""The listener of HL7 messages: a session for every connection, one message of it after the other."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from archimage.config_hl7 import Hl7Config
from archimage.errors import NotAuthorisedError
from archimage.hl7 import acks
from archimage.hl7.acks import Identity, is_wanted
from archimage.hl7.framing import END, START, Event, Frame, Misframed, Reader, TooLong
from archimage.hl7.handling import OPERATIONS
from archimage.hl7.parsing import Header, read_header
from archimage.logger import logger
from archimage.model.access import Grant, Operation, Principal
from archimage.model.callers import Caller
from archimage.model.messages import Ack, Fault, Hl7Message, MessageState, Outcome
from archimage.protocol.proxy import Forwarded
from archimage.services.inbox import Inbox
from archimage.tls.certificates import PeerCertificate
from archimage.tls.forwarded import Balancers
from archimage.tls.listening import Failed, HandshakeLimits, Listener

BACKLOG: Final = 128
_READ_BYTES: Final = 64 << 10
_SEND_TIMEOUT_S: Final = 30.0
_KEPT: Final = Outcome(MessageState.RECEIVED)
_log = logger("dimse")
Settled = TypeVar("Settled")


class Access(Protocol):
    """Decides who may do what."""

    def permit(self, principal: Principal, operation: Operation, destination: str | None = None) -> Grant:
        """Return what somebody may do; NotAuthorisedError where it is nothing."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Who may send, and who hears of those who may not."""

    access: Access
    denied: Callable[[Caller, str], None]
    now: Callable[[], float]


class Hl7Server:
    """Listens on one address."""

    def __init__(self, settings: Hl7Config, inbox: Inbox, gate: Gate) -> None:
        self._settings = settings
        self._inbox = inbox
        self._gate = gate
        self._networks = [ipaddress.ip_network(name) for name in settings.allowed_addresses]
        self._senders = frozenset(settings.allowed_senders)
        self._identity = Identity(settings.application, settings.facility, settings.character_set)
        self._sessions: dict[_Session, asyncio.Task[None]] = {}
        self._balancers = Balancers(settings.proxy_from)
        self._server: asyncio.Server | Listener | None = None

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._sessions)

    async def listen(self, listener: socket.socket) -> None:
        """Serve connections of a bound socket."""
        if self._balancers:
            self._listen(listener, None, lambda _host, _reason: None)
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG)

    def listen_tls(self, listener: socket.socket, context: Callable[[], ssl.SSLContext], failed: Failed) -> None:
        """Serve connections of a bound socket with TLS; context is asked anew for each, failed hears of handshakes."""
        self._listen(listener, context, failed)

    def _listen(self, listener: socket.socket, context: Callable[[], ssl.SSLContext] | None, failed: Failed) -> None:
        self._server = Listener(self._protocol, context, HandshakeLimits(), failed, self._balancers)
        self._server.listen(listener)

    async def close(self, grace_s: float) -> None:
        """Stop listening; messages that came whole have grace_s, seconds, to be answered."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._sessions.values())
        for session, task in self._sessions.items():
            if not session.is_busy:
                task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _protocol(self, forwarded: Forwarded | None = None) -> asyncio.BaseProtocol:
        reader = asyncio.StreamReader(limit=_READ_BYTES)
        return asyncio.StreamReaderProtocol(reader, partial(self._connected, forwarded))

    async def _connected(
        self, forwarded: Forwarded | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        peer = (forwarded and forwarded.source) or writer.get_extra_info("peername")
        session = _Session(reader, writer, self, str(peer[0]) if peer else "")
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one
        if not self._is_let_in(session.address):
            self._refuse(session.principal, "its address may not send")
            writer.close()
            return
        self._make_room()
        self._sessions[session] = task
        try:
            await session.run()
        except asyncio.CancelledError:
            pass  # the server ends, or another connection needs the place
        finally:
            del self._sessions[session]
            writer.transport.abort() if session.is_lost else writer.close()

    def _make_room(self) -> None:
        """Close the connection that was silent longest where there are too many."""
        if len(self._sessions) < self._settings.max_connections:
            return
        idle = [one for one in self._sessions if not one.is_busy] or list(self._sessions)
        self._sessions[min(idle, key=lambda one: one.heard_at)].cancel()

    def _is_let_in(self, address: str) -> bool:
        if not self._networks:
            return True
        found = ipaddress.ip_address(address.partition("%")[0])
        return any(found in network for network in self._networks)

    def _refuse(self, principal: Principal, reason: str) -> None:
        _log.warning("HL7 refused", peer=principal.address, reason=reason)
        self._gate.denied(Caller("hl7", "", principal), f"HL7: {reason}")

    # What sessions ask

    def check(self, header: Header, principal: Principal) -> None:
        """Raise NotAuthorisedError where somebody may not send a message of this header."""
        try:
            if self._senders and header.sender not in self._senders:
                raise NotAuthorisedError("this sender is not among hl7.allowed_senders")
            operation = OPERATIONS.get(header.kind[:3])
            if operation is not None and self._gate.access.permit(principal, operation).within:
                raise NotAuthorisedError("it may do this with a part of the archive alone, and messages are of all")
        except NotAuthorisedError as error:
            self._refuse(principal, str(error))
            raise

    @property
    def settings(self) -> Hl7Config:
        """The settings."""
        return self._settings

    def answer(self, header: Header | None, outcome: Outcome, *, accept: bool = False) -> bytes:
        """Return an acknowledgement in its frame."""
        return START + acks.answer(header, outcome, self._identity, accept=accept) + END

    def submit(self, message: Hl7Message, *, wanted: bool) -> tuple[asyncio.Future[None], asyncio.Future[Outcome]]:
        """Have a message kept and applied; return what tells of the one, if that is wanted, and of the other."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[None] = loop.create_future()
        done: asyncio.Future[Outcome] = loop.create_future()

        def on_kept(_message: Hl7Message) -> None:
            loop.call_soon_threadsafe(_settle, kept, None)

        def on_done(ended: Hl7Message) -> None:
            loop.call_soon_threadsafe(_settle, done, ended.outcome)

        self._inbox.submit(message, on_done, on_kept if wanted else None)
        return kept, done

    def now(self) -> float:
        """Return the time, seconds since 1970, UTC."""
        return self._gate.now()


class _Session:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Hl7Server, address: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._server = server
        self._frames = Reader(server.settings.max_message_bytes)
        self._begun_at = 0.0
        self.address = address
        certificate = PeerCertificate.of(writer.get_extra_info("ssl_object"))
        names = frozenset[str]() if certificate is None else certificate.known_as
        self.principal = Principal(address=self.address, certificate=names)
        self.heard_at = asyncio.get_running_loop().time()
        self.is_busy = False
        self.is_lost = False

    async def run(self) -> None:
        """Read and answer messages until the connection ends, or cannot be read any further."""
        try:
            while (events := await self._events()) is not None:
                for event in events:
                    if not await self._handled(event):
                        return
        except (ConnectionError, OSError, ssl.SSLError) as error:
            self.is_lost = True
            _log.info("HL7 connection lost", peer=self.address, reason=str(error))

    async def _events(self) -> list[Event] | None:
        """Return what has come whole; None at the end of the connection."""
        loop, settings = asyncio.get_running_loop(), self._server.settings
        inside = self._frames.is_inside
        due = (self._begun_at + settings.message_timeout_s) if inside else self.heard_at + settings.idle_timeout_s
        try:
            async with asyncio.timeout_at(due):
                data = await self._reader.read(_READ_BYTES)
        except TimeoutError:
            return [Misframed("it did not end in time", self._frames.head)] if inside else None
        if not data:
            return None
        self.heard_at = loop.time()
        events = self._frames.receive(data)
        if events or not inside:
            self._begun_at = self.heard_at
        return events

    async def _handled(self, event: Event) -> bool:
        """Answer what has come; tell whether more can be read."""
        self.is_busy = True
        try:
            match event:
                case Frame():
                    await self._message(event.data)
                case TooLong():
                    most = self._server.settings.max_message_bytes
                    await self._reject(read_header(event.head), f"a message has at most {most} bytes here")
                case Misframed():
                    await self._reject(read_header(event.head), f"no frame of MLLP: {event.reason}")
                    return False
        finally:
            self.is_busy = False
            self.heard_at = asyncio.get_running_loop().time()
        return True

    async def _message(self, data: bytes) -> None:
        header = read_header(data)
        if header is None or header.is_batch:
            told = "it does not begin with a segment MSH" if header is None else "batches are not taken: send its "
            await self._reject(header, told if header is None else f"{told}messages one by one")
            return
        if header.kind.startswith("ACK"):
            return  # nobody acknowledges an acknowledgement
        try:
            self._server.check(header, self.principal)
        except NotAuthorisedError as error:
            await self._reject(header, str(error))
            return
        message = Hl7Message(data, header.sender, header.control_id, header.kind, self.address, self._server.now())
        kept, done = self._server.submit(message, wanted=header.is_enhanced)
        if header.is_enhanced:
            await self._enhanced(header, kept, done)
        else:
            await self._send(self._server.answer(header, await done))

    async def _enhanced(self, header: Header, kept: "asyncio.Future[None]", done: "asyncio.Future[Outcome]") -> None:
        """Tell that a message was kept, and what became of it, as far as its sender wants to hear either."""
        await asyncio.wait((kept, done), return_when=asyncio.FIRST_COMPLETED)
        outcome = _KEPT if kept.done() else await done
        if is_wanted(header.accept_ack, outcome.ack):
            await self._send(self._server.answer(header, outcome, accept=True))
        outcome = await done
        if is_wanted(header.application_ack, outcome.ack):
            await self._send(self._server.answer(header, outcome))

    async def _reject(self, header: Header | None, told: str) -> None:
        """Tell that a message was not even kept."""
        _log.warning("HL7 message refused", peer=self.address, reason=told)
        enhanced = header is not None and header.is_enhanced
        outcome = Outcome(MessageState.FAILED, Ack.REJECT, told, Fault.INTERNAL)
        await self._send(self._server.answer(header, outcome, accept=enhanced))

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            await self._writer.drain()


def _settle(future: "asyncio.Future[Settled]", result: Settled) -> None:
    if not future.done():
        future.set_result(result)
