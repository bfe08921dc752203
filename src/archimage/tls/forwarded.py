"""Balancers that are trusted to say whom they forward, and the header in which they do."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from archimage.errors import RemoteProtocolError
from archimage.protocol.proxy import Forwarded, ProxyHeader


class Balancers:
    """Addresses and networks from which every connection begins with a PROXY header; from others none does."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._networks = [ip_network(name) for name in names]

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """Tell whether an address is one of theirs."""
        found = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)


NO_BALANCERS: Final = Balancers()


async def read_forwarded(connection: socket.socket) -> Forwarded | None:
    """Read the header of a connection, and no byte beyond it; None where it ends at once, as after a look at the port.

    Raises:
        RemoteProtocolError: what comes is none.
        OSError: the connection was lost.
    """
    loop, header = asyncio.get_running_loop(), ProxyHeader()
    begun = False
    while True:
        data = await loop.sock_recv(connection, header.wanted)
        if not data:
            if begun:
                raise RemoteProtocolError("the connection ended within the PROXY header")
            return None
        begun = True
        if (found := header.receive(data)) is not None:
            return found
