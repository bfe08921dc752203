"""The DICOM listener: a session for every connection, until it is told to stop."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from archimage.buffers import BufferPool
from archimage.net.admission import Admission, AdmissionPolicy
from archimage.net.associations import AssociationTable
from archimage.net.dispatch import Registry
from archimage.net.session import Session
from archimage.net.transport import Connection
from archimage.protocol.association import Association, AssociationSettings
from archimage.protocol.proxy import Forwarded
from archimage.tls.forwarded import NO_BALANCERS, Balancers
from archimage.tls.listening import Failed, HandshakeLimits, Listener

BACKLOG: Final = 1024
_FAREWELL_S: Final = 0.02
_WRITE_TIMEOUT_S: Final = 60.0


class DicomServer:
    """Listens on one address."""

    def __init__(
        self,
        settings: AssociationSettings,
        registry: Registry,
        policy: AdmissionPolicy,
        table: AssociationTable | None = None,
    ) -> None:
        """Serve what registry holds to whom policy lets in; open associations stand in table."""
        self._settings = settings
        self._registry = registry
        self._table = table or AssociationTable()
        self.admission = Admission(policy, registry, self._table)
        """Tells how many there are, beside deciding who is let in."""
        self._buffers = BufferPool()
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._servers: list[asyncio.Server | Listener] = []

    async def listen(self, listener: socket.socket, balancers: Balancers = NO_BALANCERS) -> None:
        """Serve connections of a bound socket; balancers say whom they forward."""
        if balancers:
            self._listen(listener, None, lambda _host, _reason: None, balancers)
            return
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(self._connection, sock=listener, backlog=BACKLOG))

    def listen_tls(
        self,
        listener: socket.socket,
        context: Callable[[], ssl.SSLContext],
        failed: Failed,
        balancers: Balancers = NO_BALANCERS,
    ) -> None:
        """Serve connections of a bound socket with TLS; context is asked anew for each, failed hears of handshakes."""
        self._listen(listener, context, failed, balancers)

    def _listen(
        self,
        listener: socket.socket,
        context: Callable[[], ssl.SSLContext] | None,
        failed: Failed,
        balancers: Balancers,
    ) -> None:
        policy = self.admission.policy
        limits = HandshakeLimits(at_once=policy.max_pending, of_address=policy.max_pending_per_address)
        server = Listener(self._connection, context, limits, failed, balancers)
        server.listen(listener)
        self._servers.append(server)

    def admit_by(self, policy: AdmissionPolicy) -> None:
        """Let in by another policy from here on; who is in stays."""
        self.admission.policy = policy

    async def close(self, grace_s: float = 0.0) -> None:
        """Stop listening and abort every association; what is being stored has grace_s, seconds, to be answered.

        Peers have a moment to close their connections, so that they read the A-ABORT before these are gone.
        """
        for server in self._servers:
            server.close()
        if grace_s and self._sessions:
            await asyncio.wait([session.drain() for session in self._sessions], timeout=grace_s)
        tasks = list(self._sessions.values())
        for session in list(self._sessions):
            session.abort()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_FAREWELL_S)
            for session in list(self._sessions):
                session.connection.drop()
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _connection(self, forwarded: Forwarded | None = None) -> Connection:
        loop = asyncio.get_running_loop()
        association = Association(self._settings, requestor=False, now=loop.time())
        patience = self._settings.idle_timeout_s or _WRITE_TIMEOUT_S
        return Connection(
            association, self._buffers, write_timeout_s=patience, on_connected=self._serve, forwarded=forwarded
        )

    def _serve(self, connection: Connection) -> None:
        session = Session(connection, self._registry, self.admission.decide, self._table.new_id(), self._table.meter)
        self.admission.connected(session)
        task = asyncio.get_running_loop().create_task(session.run())
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._ended(session))

    def _ended(self, session: Session) -> None:
        self.admission.ended(session)
        del self._sessions[session]


def bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """Bind a TCP socket, not yet listening; shared lets other processes bind the same port (SO_REUSEPORT)."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
