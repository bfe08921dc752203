"""From a node, as it was entered, to the peer that is called."""

import ssl
from collections.abc import Callable

from archimage.errors import ConnectionFailedError
from archimage.model.nodes import Login, Node
from archimage.net.conversation import RemoteNode
from archimage.protocol.items import UserIdentity, UserIdentityType

TlsContext = Callable[[], ssl.SSLContext]
"""Gives the context of calls with TLS as it is now; raises ArchimageError where there can be none."""


def no_tls() -> ssl.SSLContext:
    """Refuse; for whoever calls nobody with TLS."""
    raise ConnectionFailedError("nobody is called with TLS from here")


def remote(node: Node, tls: TlsContext) -> RemoteNode:
    """Return the peer."""
    context, identity = tls() if node.tls else None, _identity(node.login)
    return RemoteNode(node.ae_title, node.host, node.port, context, identity, node.purpose, node.transfer_syntax_uid)


def _identity(login: Login | None) -> UserIdentity | None:
    """Return what tells the user, as PS3.7 §D.3.3.7 has it."""
    if login is None:
        return None
    user, passcode = login.user.encode(), login.passcode.encode()
    return UserIdentity(
        UserIdentityType.USERNAME_AND_PASSCODE if passcode else UserIdentityType.USERNAME, user, passcode
    )
