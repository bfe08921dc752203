"""A server that begins an answer and goes on with it, a byte now and then."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EVERY_S: Final = 0.05
FAR_S: Final = 10.0
"""Far longer than anything takes that ends in time."""
HEAD: Final = b"HTTP/1.1 200 OK\r\nX-More: "
BODY: Final = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary=b\r\nContent-Length: 1000000\r\n\r\n"


@contextmanager
def dripping(begin: bytes, drop: bytes = b" ", drops: int | None = None) -> Iterator[str]:
    """Serve one connection, until so many drops have fallen or it is over; yield the address."""
    over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(begin)
                left = drops
                while left != 0 and not over.wait(EVERY_S):
                    connection.sendall(drop)
                    left = None if left is None else left - 1
            except OSError:
                return  # whoever called has gone
            over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(FAR_S)
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()
