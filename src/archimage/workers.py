"""Several equal processes on the same ports: the kernel spreads connections over them (SO_REUSEPORT).

The parent holds the ports, prepares the archive once, starts the workers and starts anew each one that ends by itself.
Workers share nothing but the archive: each has its own lane, and the index arbitrates between them. They end with their
parent, however it ends.
"""

import contextlib
import gc
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final

import structlog
import uvloop

from archimage.app import Address, OnReady, bind_listener, build
from archimage.config import Config
from archimage.errors import ArchimageError
from archimage.observe import logs, metrics

_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 10.0
_RESTART_PAUSE_S: Final = 1.0
_spawning: Final = multiprocessing.get_context("spawn")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process, and the pipe on which it says that it listens."""

    process: SpawnProcess
    ready: Connection


def serve(config: Config, on_ready: OnReady) -> None:
    """Run `config.dicom.workers` processes until SIGTERM or SIGINT."""
    with contextlib.ExitStack() as held:
        stop = held.enter_context(_stop_signals())
        held.enter_context(metrics.shared())
        dicom = _reserve("dicom", config.dicom.host, config.dicom.port, held)
        http = _reserve("http", config.http.host, config.http.port, held)
        build(config).close()
        fixed = config.with_ports(dicom[1], http[1])
        workers: list[_Worker] = []
        held.callback(_stop, workers)
        for _ in range(config.dicom.workers):
            workers.append(_start(fixed))  # noqa: PERF401 - those before one that fails are to be stopped
        if all(_is_ready(worker, stop) for worker in workers):
            on_ready(dicom, http)
            _supervise(fixed, workers, stop)


def _reserve(section: str, host: str, port: int, held: contextlib.ExitStack) -> Address:
    """Hold a port for the workers. Others may share it only if they are ours: an unshared bind tells first."""
    bind_listener(section, host, port, shared=False).close()
    listener = bind_listener(section, host, port, shared=True)
    held.callback(listener.close)
    address: Address = listener.getsockname()[:2]
    return address


@contextlib.contextmanager
def _stop_signals() -> Iterator[socket.socket]:
    """Give a socket that can be read from the first SIGTERM or SIGINT on."""
    told, teller = socket.socketpair()
    with told, teller:
        teller.setblocking(False)
        handlers = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
        before = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
        try:
            yield told
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _start(config: Config) -> _Worker:
    ours, theirs = _spawning.Pipe(duplex=False)
    process = _spawning.Process(target=_work, args=(config, theirs), name="archimage-worker")
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _is_ready(worker: _Worker, stop: socket.socket) -> bool:
    """Wait until a worker listens; False when we are told to stop first."""
    heard = wait([worker.ready, stop], timeout=_START_TIMEOUT_S)
    if stop in heard:
        return False
    if not heard or not _said_ready(worker.ready):
        raise ArchimageError(f"worker {worker.process.pid} did not start; its own messages say why")
    return True


def _said_ready(pipe: Connection) -> bool:
    try:
        return bool(pipe.recv())
    except EOFError:
        return False


def _supervise(config: Config, workers: list[_Worker], stop: socket.socket) -> None:
    """Replace workers that end, until told to stop; one that cannot start is tried again, the others serve on."""
    while stop not in wait([stop, *(worker.process.sentinel for worker in workers)]):
        for worker in [worker for worker in workers if not worker.process.is_alive()]:
            process = worker.process
            _log.error("a worker has ended by itself; starting another", pid=process.pid, exit_code=process.exitcode)
            if wait([stop], timeout=_RESTART_PAUSE_S):
                return
            metrics.forget_process(process.pid or 0)
            worker.ready.close()
            workers[workers.index(worker)] = _start(config)


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.ready.close()


def _work(config: Config, ready: Connection) -> None:
    """Be a worker."""
    logs.configure(config.log.level, config.log.format)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()

    def tell(_dicom: Address, _http: Address) -> None:
        gc.freeze()  # what is loaded stays: no request is to wait until it was looked through
        ready.send(True)
        ready.close()

    with contextlib.closing(build(config)) as archive:
        uvloop.run(archive.serve(tell))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
