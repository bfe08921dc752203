"""The floor: what the machine gives when nothing of DICOM is done.

Objects come over a bare socket, each after its length (8 bytes, big endian), and go into a file of their own that is
synced before one byte answers. A process per connection, so that no interpreter lock stands in the way.
Run as `python -m bench.floor PORT DIRECTORY [unsynced]`; `unsynced` leaves it to the operating system when it writes.
"""

import os
import signal
import socket
import sys
from pathlib import Path


def serve(port: int, directory: Path, *, sync: bool) -> None:
    """Accept connections until the process is ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        number = 0
        while True:
            sock, _ = listener.accept()
            number += 1
            if os.fork() == 0:
                listener.close()
                receive(sock, directory, number, sync=sync)
                os._exit(0)
            sock.close()


def receive(sock: socket.socket, directory: Path, connection: int, *, sync: bool) -> None:
    """Take objects from one connection until it closes."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = memoryview(bytearray(1 << 20))
    number = 0
    while len(head := sock.recv(8, socket.MSG_WAITALL)) == 8:
        number += 1
        descriptor = keep(sock, directory / f"{connection}-{number}", int.from_bytes(head, "big"), buffer)
        if sync:
            os.fdatasync(descriptor)
        os.close(descriptor)
        sock.sendall(b"\0")


def keep(sock: socket.socket, path: Path, length: int, buffer: memoryview) -> int:
    """Write one object to a file; return its descriptor."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    while length:
        got = sock.recv_into(buffer[: min(length, len(buffer))])
        if not got:
            raise ConnectionError("the sender closed in the middle of an object")
        length -= got
        os.write(descriptor, buffer[:got])
    return descriptor


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), sync=sys.argv[3:] != ["unsynced"])
