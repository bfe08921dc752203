"""From a node, as it was entered, to the peer that is called."""

import ssl
from collections.abc import Callable

from archimage.errors import ConnectionFailedError
from archimage.model.nodes import Node
from archimage.net.conversation import RemoteNode

TlsContext = Callable[[], ssl.SSLContext]
"""Gives the context of calls with TLS as it is now; raises ArchimageError where there can be none."""


def no_tls() -> ssl.SSLContext:
    """Refuse; for whoever calls nobody with TLS."""
    raise ConnectionFailedError("nobody is called with TLS from here")


def remote(node: Node, tls: TlsContext) -> RemoteNode:
    """Return the peer."""
    return RemoteNode(node.ae_title, node.host, node.port, tls() if node.tls else None, node.purpose)
