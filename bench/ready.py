"""The floor of C-GET: ready objects handed to the kernel with sendfile, each answer awaited, nothing looked up.

Answers any C-GET with every object of a file of ready PDUs, under the presentation context that the peer proposed for
CT. What a server does beside that costs it speed; what is slower than this waits for the client.
Run as `python -m bench.ready PORT DIRECTORY FILE` (the directory is not used).
"""

import mmap
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import sink, wire
from bench.data import CT

HEADER_BYTES = 12  # of a P-DATA-TF and its one PDV

Fragment = tuple[int, int, int]
"""Control byte, and offset and length in the file, bytes."""


def serve(port: int, path: Path) -> None:
    """Accept associations, a process for each, until the process is ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    fragments = list(read_fragments(path))
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            sock, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                answer(sock, path, fragments)
                os._exit(0)
            sock.close()


def read_fragments(path: Path) -> Iterator[Fragment]:
    """Find the fragments in a file of ready PDUs."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        while at < len(data):
            (length,) = struct.unpack_from(">L", data, at + 2)
            yield data[at + 11], at + HEADER_BYTES, length - 6
            at += 6 + length


def answer(sock: socket.socket, path: Path, fragments: Sequence[Fragment]) -> None:
    """Answer one association: a C-GET and the release."""
    wire.prepare_socket(sock)
    channel = wire.Channel(sock)
    try:
        request = bytes(channel.read_pdu()[1])
        sock.sendall(sink.accept(request))
        context_id, command = next(channel.read_commands())
        channel.read_pdvs()  # the identifier: whatever it asks for, it gets all there is
        count = send_all(channel, path, fragments, context_of(request))
        sock.sendall(final(context_id, wire.command_values(command), count))
        while channel.read_pdu()[0] != wire.RELEASE_RQ:
            pass
        sock.sendall(wire.pdu(wire.RELEASE_RP, bytes(4)))
    except wire.WireError:
        pass  # a connection that only tried the port, or a peer that left
    finally:
        channel.close()


def context_of(request: bytes) -> int:
    """Return the first presentation context that was proposed for CT."""
    for kind, body in sink.walk(request[68:]):
        if kind == 0x20 and CT.encode() in (value for sub_kind, value in sink.walk(body[4:]) if sub_kind == 0x30):
            return body[0]
    raise wire.WireError("no presentation context for CT was proposed")


def send_all(channel: wire.Channel, path: Path, fragments: Sequence[Fragment], context_id: int) -> int:
    """Send every object and await each answer; return how many they were."""
    count = 0
    with path.open("rb") as file:
        for control, offset, length in fragments:
            header = struct.pack(">BxLLBB", wire.P_DATA, length + 6, length + 2, context_id, control)
            channel.sock.send(header, socket.MSG_MORE)
            sent = 0
            while sent < length:
                sent += os.sendfile(channel.sock.fileno(), file.fileno(), offset + sent, length - sent)
            if control == 2:
                channel.read_status()
                count += 1
    return count


def final(context_id: int, request: dict[int, bytes], count: int) -> bytes:
    """Encode the last C-GET response."""
    elements: dict[int, int | str] = {
        0x0002: request[0x0002].rstrip(b"\0").decode(), 0x0100: 0x8010,
        0x0120: int.from_bytes(request[0x0110], "little"), 0x0800: 0x0101, 0x0900: 0,
        0x1021: count, 0x1022: 0, 0x1023: 0,
    }  # fmt: skip
    return wire.message(context_id, wire.command(elements))


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[3]))
