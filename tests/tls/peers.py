"""Peers that connect with TLS, and what the server's log says of them."""

import re
import ssl
from typing import Final

from archimage.protocol.pdu import AssociateAccept
from tests.attacks.server import Server, wait_until
from tests.attacks.trail import told
from tests.attacks.wire import Peer, request

WITHIN_S: Final = 10.0
_PORT: Final = re.compile(r"dicom-tls=\S+:(\d+)")


def tls_port(server: Server) -> int:
    """Return the DICOM port with TLS."""
    found = _PORT.search(server.log)
    assert found, server.log
    return int(found[1])


def secured(server: Server, context: ssl.SSLContext, host: str = "localhost") -> Peer:
    """Return a peer on a connection with TLS."""
    peer = Peer(tls_port(server))
    try:
        peer.socket = context.wrap_socket(peer.socket, server_hostname=host)
    except BaseException:
        peer.close()
        raise
    return peer


def gets_in(server: Server, context: ssl.SSLContext, host: str = "localhost", calling: str = "CT1") -> bool:
    """Tell whether an association can be had; with TLS 1.3 a client learns at its first read that it may not."""
    try:
        with secured(server, context, host) as peer:
            answer = peer.associate(request(calling=calling))
            if isinstance(answer, AssociateAccept):
                peer.release()
            return isinstance(answer, AssociateAccept)
    except OSError:
        return False


def failures(server: Server) -> list[str]:
    """Return why handshakes failed."""
    return re.findall(r'event="TLS handshake failed" peer=\S+ reason="([^"]*)"', server.log)


def refused(server: Server, context: ssl.SSLContext, reason: str) -> None:
    """Expect that a client does not get in, and that the log says why."""
    before = len(failures(server))
    assert not gets_in(server, context)
    assert wait_until(lambda: len(failures(server)) > before, WITHIN_S), server.log[-1_500:]
    assert reason in failures(server)[-1]
    assert all_are_told(server)


def all_are_told(server: Server) -> bool:
    """Wait until the audit trail has a message of each handshake that failed."""
    return wait_until(lambda: len(told(server, "110113", "TLS handshake failed")) == len(failures(server)), WITHIN_S)
