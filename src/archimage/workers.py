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
from pathlib import Path
from typing import Final

import uvloop

from archimage import server
from archimage.app import build
from archimage.config import Config
from archimage.errors import ArchimageError, ConfigError
from archimage.listeners import Addresses, bind_all
from archimage.logger import logger
from archimage.observe import logs, metrics
from archimage.observe.cells import Processes, processes
from archimage.server import OnReady, ReadConfig

_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 10.0
_RESTART_PAUSE_S: Final = 1.0
_HEARD: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SIGNALS_AT_ONCE: Final = 64
_spawning: Final = multiprocessing.get_context("spawn")
_log = logger("error")


@dataclass(frozen=True, slots=True)
class _Worker:
    """A process, and the pipe on which it says that it listens."""

    process: SpawnProcess
    ready: Connection


@dataclass(slots=True)
class _Serving:
    """What workers are started with; settings that were read again hold for those that come later."""

    config: Config
    read: ReadConfig | None
    counting: Processes

    def reload(self) -> None:
        """Read the settings again; the workers do so themselves, and say what is wrong with them."""
        if self.read is not None:
            with contextlib.suppress(ConfigError):
                self.config = self.config.with_reloaded(self.read())


class _Signals:
    """The signals that came, each a byte to be read; whoever waits for several things waits for the socket too."""

    def __init__(self, told: socket.socket) -> None:
        self.told = told
        self.ended = False

    def take(self) -> bool:
        """Take what came; tell whether the settings are to be read again."""
        came = set(self.told.recv(_SIGNALS_AT_ONCE))
        self.ended = self.ended or bool(came & {signal.SIGTERM, signal.SIGINT})
        return signal.SIGHUP in came


def serve(config: Config, on_ready: OnReady, read: ReadConfig | None = None) -> None:
    """Run `config.dicom.workers` processes until SIGTERM or SIGINT; read gives the settings anew at SIGHUP."""
    with contextlib.ExitStack() as held:
        signals = held.enter_context(_listening())
        counting = held.enter_context(processes())
        addresses = _reserve(config, held)
        build(config).close()
        ports = addresses.ports
        serving = _Serving(config.with_ports(ports.dicom, ports.dicom_tls, ports.http, ports.hl7), read, counting)
        workers: list[_Worker] = []
        held.callback(_stop, workers)
        for _ in range(config.dicom.workers):
            workers.append(_start(serving))  # noqa: PERF401 - those before one that fails are to be stopped
        if all(_is_ready(worker, signals) for worker in workers):
            on_ready(addresses)
            _supervise(serving, workers, signals)


def _reserve(config: Config, held: contextlib.ExitStack) -> Addresses:
    """Hold the ports for the workers. Others may share them only if they are ours: an unshared bind tells first."""
    bind_all(config, shared=False).close()
    listeners = bind_all(config, shared=True)
    held.callback(listeners.close)
    return listeners.addresses


@contextlib.contextmanager
def _listening() -> Iterator[_Signals]:
    """Hear of SIGTERM, SIGINT and SIGHUP."""
    told, teller = socket.socketpair()
    with told, teller:
        teller.setblocking(False)
        handlers = {number: signal.signal(number, lambda *_: None) for number in _HEARD}
        before = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
        try:
            yield _Signals(told)
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _start(serving: _Serving) -> _Worker:
    ours, theirs = _spawning.Pipe(duplex=False)
    arguments = serving.config, serving.read, theirs, serving.counting.directory
    process = _spawning.Process(target=_work, args=arguments, name="archimage-worker")
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _is_ready(worker: _Worker, signals: _Signals) -> bool:
    """Wait until a worker listens; False when we are told to stop first."""
    while signals.told in (heard := wait([worker.ready, signals.told], timeout=_START_TIMEOUT_S)):
        signals.take()  # workers that are starting have read the settings just now
        if signals.ended:
            return False
    if not heard or not _said_ready(worker.ready):
        raise ArchimageError(f"worker {worker.process.pid} did not start; its own messages say why")
    return True


def _said_ready(pipe: Connection) -> bool:
    try:
        return bool(pipe.recv())
    except EOFError:
        return False


def _supervise(serving: _Serving, workers: list[_Worker], signals: _Signals) -> None:
    """Replace workers that end, until told to stop; one that cannot start is tried again, the others serve on."""
    while not signals.ended:
        ended = [worker.process.sentinel for worker in workers]
        if signals.told in wait([signals.told, *ended]) and signals.take():
            _reload(serving, workers)
        for worker in [worker for worker in workers if not worker.process.is_alive()]:
            process = worker.process
            _log.error("a worker has ended by itself; starting another", pid=process.pid, exit_code=process.exitcode)
            if wait([signals.told], timeout=_RESTART_PAUSE_S):
                break  # the signal first; it is not replaced later than in a moment
            metrics.forget_process(serving.counting, process.pid or 0)
            worker.ready.close()
            workers[workers.index(worker)] = _start(serving)


def _reload(serving: _Serving, workers: list[_Worker]) -> None:
    serving.reload()
    for worker in workers:
        if worker.process.is_alive() and worker.process.pid is not None:
            os.kill(worker.process.pid, signal.SIGHUP)


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


def _work(config: Config, read: ReadConfig | None, ready: Connection, counting: Path) -> None:
    """Be a worker."""
    logs.configure(config.log, node=config.node.name)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()

    def tell(_addresses: Addresses) -> None:
        gc.freeze()  # what is loaded stays: no request is to wait until it was looked through
        ready.send(True)
        ready.close()

    with contextlib.closing(build(config, counting=counting)) as archive:
        uvloop.run(server.serve(archive, tell, read))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
