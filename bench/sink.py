"""A Storage SCP that accepts whatever is proposed, discards what comes and answers success.

Run as `python -m bench.sink PORT DIRECTORY` (the directory is not used).
"""

import socket
import struct
import sys
import threading
from collections.abc import Iterator

from bench import wire


def serve(port: int) -> None:
    """Accept associations until the process is ended."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=discard, args=(sock,), daemon=True).start()


def discard(sock: socket.socket) -> None:
    """Answer one association until it ends."""
    wire.prepare_socket(sock)
    channel = wire.Channel(sock)
    try:
        _, request = channel.read_pdu()
        sock.sendall(accept(bytes(request)))
        answer(channel)
    except wire.WireError:
        pass  # a connection that only tried the port, or a peer that left
    finally:
        channel.close()


def answer(channel: wire.Channel) -> None:
    """Answer every message with success; answer the release and leave when it comes."""
    pending: tuple[int, bytes] | None = None
    while (pdu := channel.read_pdu())[0] == wire.P_DATA:
        body = pdu[1]
        for context_id, control, data in wire.split_pdvs(body):
            if control == 3:
                request = bytes(data)
                pending = context_id, request
            if pending and (control == 2 or not has_dataset(pending[1])):
                channel.sock.sendall(respond(*pending))
                pending = None
    channel.sock.sendall(wire.pdu(wire.RELEASE_RP, bytes(4)))


def has_dataset(request: bytes) -> bool:
    """Tell whether a data set follows a command."""
    return wire.command_values(request)[0x0800] != b"\x01\x01"


def respond(context_id: int, request: bytes) -> bytes:
    """Encode the successful response of a C-STORE-RQ or C-ECHO-RQ."""
    values = wire.command_values(request)
    elements: dict[int, int | str] = {
        0x0002: values[0x0002].rstrip(b"\0").decode(),
        0x0100: int.from_bytes(values[0x0100], "little") | 0x8000,
        0x0120: int.from_bytes(values[0x0110], "little"),
        0x0800: 0x0101,
        0x0900: 0,
    }
    if 0x1000 in values:
        elements[0x1000] = values[0x1000].rstrip(b"\0").decode()
    return wire.message(context_id, wire.command(elements))


def accept(request: bytes) -> bytes:
    """Encode the A-ASSOCIATE-AC that takes the first transfer syntax of every context, and every role."""
    items, roles = b"", b""
    for kind, body in walk(request[68:]):
        if kind == 0x50:
            roles = b"".join(wire.item(0x54, value) for sub_kind, value in walk(body) if sub_kind == 0x54)
        if kind == 0x20:
            transfer = next(value for sub_kind, value in walk(body[4:]) if sub_kind == 0x40)
            items += wire.item(0x21, bytes((body[0], 0, 0, 0)) + wire.item(0x40, transfer))
    called, calling = request[4:20].decode().strip(), request[20:36].decode().strip()
    return wire.associate(2, called, calling, items + wire.user_information(roles))


def walk(items: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, body) of variable items."""
    at = 0
    while at + 4 <= len(items):
        kind, length = struct.unpack_from(">BxH", items, at)
        yield kind, items[at + 4 : at + 4 + length]
        at += 4 + length


if __name__ == "__main__":
    serve(int(sys.argv[1]))
