"""Telling systemd, or whatever else asks for it, how the server is (sd_notify(3)).

Who starts the server names a datagram socket in the environment; a name that begins with @ is in the abstract
namespace.
"""

import os
import socket
from contextlib import suppress
from typing import Final

_VARIABLE: Final = "NOTIFY_SOCKET"
READY: Final = "READY=1"


def notify(state: str) -> None:
    """Tell a state, if somebody wants to know; nothing depends on whether it is heard."""
    address = os.environ.get(_VARIABLE, "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.send(state.encode())
