"""The lean sending client: hands ready PDUs to the kernel with sendfile, waits for each answer, decodes nothing.

It costs the machine next to nothing, so that what is measured is the server. Time runs from the first byte of the
first object, all associations standing, to the last answer.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import wire
from bench.data import Objects

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """A finished run; cpu_s is the server's own processor time in it."""

    seconds: float
    count: int
    cpu_s: float | None = None


def send_objects(
    objects: Objects, associations: int, port: int, called: str, cpu_clock: Callable[[], float] | None = None
) -> Sent:
    """Store the objects over so many associations; raises WireError on any status but success."""
    context = (wire.Context(objects.sop_class),)
    channels = [wire.Channel.open(port, called, context) for _ in range(associations)]

    def transmit(number: int, file: int, span: Span) -> None:
        send_file(channels[number].sock, file, span)
        if status := channels[number].read_status():
            raise wire.WireError(f"C-STORE answered {status:#06x}")

    sent = _run(objects.dealt_to(associations), objects.pdus, transmit, cpu_clock)
    for channel in channels:
        channel.release()
    return sent


def send_bare(objects: Objects, connections: int, port: int, cpu_clock: Callable[[], float] | None = None) -> Sent:
    """Send the same bytes to the floor."""
    sockets = [wire.connect_socket(port) for _ in range(connections)]

    def transmit(number: int, file: int, span: Span) -> None:
        sockets[number].send(span[1].to_bytes(8, "big"), socket.MSG_MORE)
        send_file(sockets[number], file, span)
        if sockets[number].recv(1) != b"\0":
            raise wire.WireError("the floor closed the connection")

    sent = _run(objects.dealt_to(connections), objects.pdus, transmit, cpu_clock)
    for sock in sockets:
        sock.close()
    return sent


def send_file(sock: socket.socket, file: int, span: Span) -> None:
    """Send a span of a file."""
    offset, left = span
    while left:
        done = os.sendfile(sock.fileno(), file, offset, left)
        offset, left = offset + done, left - done


def _run(
    shares: Sequence[Sequence[Span]],
    pdus: Path,
    transmit: Callable[[int, int, Span], None],
    cpu_clock: Callable[[], float] | None,
) -> Sent:
    """Send every share in a thread of its own, started together."""
    file = os.open(pdus, os.O_RDONLY)
    errors: list[BaseException] = []
    gate = threading.Barrier(len(shares) + 1)

    def work(number: int) -> None:
        gate.wait()
        try:
            for span in shares[number]:
                transmit(number, file, span)
        except (OSError, wire.WireError) as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(shares))]
    for thread in threads:
        thread.start()
    cpu_before = cpu_clock() if cpu_clock else 0.0
    gate.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    cpu_s = cpu_clock() - cpu_before if cpu_clock else None
    os.close(file)
    if errors:
        raise errors[0]
    return Sent(seconds, sum(len(share) for share in shares), cpu_s)
