"""How long the archive takes to end: idle, and with associations that store as fast as they can."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from bench import peers, process, replay, web, wire
from bench.data import CT_512K, Objects
from bench.figures import OURS, Sample, Target
from bench.harness import Bench
from bench.process import Running

ASSOCIATIONS = 50
STORING_S = 0.3
IDLE = "exit after SIGTERM, idle"
STORING = f"exit after SIGTERM, {ASSOCIATIONS} associations storing, dicom.grace_s = 0"
SETTINGS = {"ARCHIMAGE__DICOM__GRACE_S": "0"}
WITHIN_IDLE_MS, WITHIN_STORING_MS = 50, 110
STEP_S = 0.0005


def stop(bench: Bench) -> None:
    """Stop an archive, and look whether each instance that it acknowledged is there at the next start."""
    objects = bench.objects(CT_512K)
    bench.expect((Target(IDLE, WITHIN_IDLE_MS, at_most=True), Target(STORING, WITHIN_STORING_MS, at_most=True)))
    bench.alternate("exit after SIGTERM", {OURS: partial(_measure, bench, objects)})


def _measure(bench: Bench, objects: Objects) -> Iterator[Sample]:
    with process.fresh_directory(bench.work, OURS) as directory, peers.archimage_on(directory) as server:
        yield Sample(IDLE, OURS, _stop(server), "ms")
    with process.fresh_directory(bench.work, OURS) as directory:
        with peers.archimage_on(directory, settings=SETTINGS) as server:
            acknowledged: list[str] = []
            senders = _begin(server, objects, acknowledged)
            time.sleep(STORING_S)
            took_ms = _stop(server)
            for sender in senders:
                sender.join()
        _check(server, objects, acknowledged)
        yield Sample(STORING, OURS, took_ms, "ms")


def _stop(server: Running) -> float:
    """Return the time from the signal to the end of the process, milliseconds."""
    started = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    while server.process.poll() is None:
        time.sleep(STEP_S)
    took_ms = 1000 * (time.perf_counter() - started)
    if server.process.returncode:
        raise process.ServerError(f"archimage ended with {server.process.returncode}")
    return took_ms


def _begin(server: Running, objects: Objects, acknowledged: list[str]) -> Sequence[threading.Thread]:
    """Begin to store over all associations; what is answered with success is added to acknowledged."""
    spans = list(enumerate(span for group in objects.spans for span in group))
    file = os.open(objects.pdus, os.O_RDONLY)

    def send(channel: wire.Channel, share: Sequence[tuple[int, replay.Span]]) -> None:
        with suppress(OSError, wire.WireError), channel:  # the server goes in the middle of it
            for number, span in share:
                replay.send_file(channel.sock, file, span)
                if not channel.read_status():
                    acknowledged.append(objects.instance(number))

    context = (wire.Context(objects.sop_class),)
    channels = [wire.Channel.open(server.port, server.ae_title, context) for _ in range(ASSOCIATIONS)]
    senders = [
        threading.Thread(target=send, args=(channel, spans[number::ASSOCIATIONS]))
        for number, channel in enumerate(channels)
    ]
    for sender in senders:
        sender.start()
    return senders


def _check(stopped: Running, objects: Objects, acknowledged: Sequence[str]) -> None:
    """Raise WireError where an acknowledged instance is not there, whole, at the next start."""
    if not acknowledged or len(acknowledged) == objects.count:
        raise wire.WireError(f"{len(acknowledged)} of {objects.count} objects came before the end: no measurement")
    with peers.archimage_on(stopped.directory) as server, web.Connection(server) as connection:
        for path in acknowledged:
            connection.get(path, web.multipart("application/dicom")).require(objects.shape.pixel_bytes)
