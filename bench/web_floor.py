"""The floor of WADO-RS and STOW-RS: what the machine gives over HTTP when nothing of DICOM is done.

`GET /dicom-web/FOLDER` is answered with every file of a folder of objects as a part, each handed to the kernel with
sendfile. Of `POST`, each part goes into a file of its own, and all are synced before the answer. Nothing is looked up,
checked or indexed. A process per connection, so that no interpreter lock stands in the way.
Run as `python -m bench.web_floor PORT DIRECTORY OBJECTS`.
"""

import os
import signal
import socket
import sys
from pathlib import Path

from bench import web, wire

DELIMITER = f"\r\n--{web.BOUNDARY}".encode()
HOLDS_BYTES = 4 << 20  # a part at least


def serve(port: int, directory: Path, objects: Path) -> None:
    """Accept connections, a process for each, until the process is ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            sock, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                wire.prepare_socket(sock)
                answer(sock, directory, objects)
                os._exit(0)
            sock.close()


def answer(sock: socket.socket, directory: Path, objects: Path) -> None:
    """Answer one connection until it closes."""
    data = bytearray(HOLDS_BYTES)
    requests = 0
    while True:
        filled = 0
        while (end := data.find(b"\r\n\r\n", 0, filled)) < 0:
            got = sock.recv_into(memoryview(data)[filled:])
            if not got:
                return
            filled += got
        method, path, *_ = data[:end].decode("latin-1").split(" ", 2)
        if method == "GET":
            send(sock, objects / path.rpartition("/")[2])
        else:
            requests += 1
            early = data[end + 4 : filled]
            data[: len(early)] = early
            receive(sock, directory / str(requests), data, len(early))


def send(sock: socket.socket, folder: Path) -> None:
    """Send every file of a folder as a part."""
    files = sorted(folder.iterdir())
    length = sum(len(web.PART_HEAD) + file.stat().st_size + 2 for file in files) + len(web.PARTS_END)
    sock.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode(), socket.MSG_MORE)
    web.send_parts(sock, files)


def receive(sock: socket.socket, stem: Path, data: bytearray, filled: int) -> None:
    """Keep every part of a body, of which so many bytes have come."""
    kept: list[int] = []
    view = memoryview(data)
    looked = 0
    while True:
        found = data.find(DELIMITER, max(looked, len(web.PART_HEAD)), filled)
        if found < 0 and data.startswith(web.PARTS_END[:-2]) and filled >= len(web.PARTS_END):
            break
        if found < 0:
            looked = max(0, filled - len(DELIMITER))
            got = sock.recv_into(view[filled:])
            if not got:
                raise ConnectionError("the sender closed in the middle of a request")
            filled += got
            continue
        kept.append(os.open(f"{stem}-{len(kept)}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.write(kept[-1], view[len(web.PART_HEAD) : found])
        rest = data[found + 2 : filled]
        data[: len(rest)] = rest
        filled, looked = len(rest), 0
    for descriptor in kept:
        os.fdatasync(descriptor)
        os.close(descriptor)
    sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkept")


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
