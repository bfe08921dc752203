"""Several equal processes on the same ports: the kernel spreads connections over them (SO_REUSEPORT).

The parent holds the ports, prepares the archive once, starts the workers and starts anew each one that ends by itself.
Workers share nothing but the archive: each has its own lane, and the index arbitrates between them.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final

import structlog
import uvloop

from archimage.app import Address, OnReady, bind_listener, build
from archimage.config import Config
from archimage.errors import ArchimageError
from archimage.observe import logs

_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 10.0
_RESTART_PAUSE_S: Final = 1.0
_POLL_S: Final = 1.0
_spawning: Final = get_context("spawn")
_log = structlog.get_logger()


class _StoppedError(Exception):
    """SIGTERM or SIGINT came."""


def serve(config: Config, on_ready: OnReady) -> None:
    """Run `config.dicom.workers` processes until SIGTERM or SIGINT."""
    with contextlib.ExitStack() as held:
        addresses = []
        for section, settings in (("dicom", config.dicom), ("http", config.http)):
            listener = bind_listener(section, settings.host, settings.port, shared=True)
            held.callback(listener.close)
            addresses.append(listener.getsockname()[:2])
        dicom, http = addresses
        build(config).close()
        fixed = _with_ports(config, dicom, http)
        with _stopping(), contextlib.suppress(_StoppedError):
            _supervise(fixed, lambda: on_ready(dicom, http))


def _with_ports(config: Config, dicom: Address, http: Address) -> Config:
    return config.model_copy(
        update={
            "dicom": config.dicom.model_copy(update={"port": dicom[1]}),
            "http": config.http.model_copy(update={"port": http[1]}),
        }
    )


@contextlib.contextmanager
def _stopping() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise _StoppedError

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _supervise(config: Config, all_ready: Callable[[], None]) -> None:
    workers: list[SpawnProcess] = []
    try:
        for _ in range(config.dicom.workers):
            _start(config, workers)
        all_ready()
        while True:
            ended = wait([worker.sentinel for worker in workers], timeout=_POLL_S)
            if ended:
                _replace(config, workers)
    finally:
        _stop(workers)


def _start(config: Config, workers: list[SpawnProcess]) -> None:
    """Start one worker and wait until it listens."""
    ours, theirs = _spawning.Pipe(duplex=False)
    worker = _spawning.Process(target=_work, args=(config, theirs), name="archimage-worker")
    worker.start()
    workers.append(worker)
    theirs.close()
    with ours:
        if not ours.poll(_START_TIMEOUT_S) or not _said_ready(ours):
            raise ArchimageError(f"worker {worker.pid} did not start; its own messages say why")


def _said_ready(pipe: Connection) -> bool:
    try:
        return bool(pipe.recv())
    except EOFError:
        return False


def _replace(config: Config, workers: list[SpawnProcess]) -> None:
    for worker in [worker for worker in workers if not worker.is_alive()]:
        _log.error("a worker has ended by itself; starting another", pid=worker.pid, exit_code=worker.exitcode)
        workers.remove(worker)
        time.sleep(_RESTART_PAUSE_S)
        _start(config, workers)


def _stop(workers: list[SpawnProcess]) -> None:
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()


def _work(config: Config, ready: Connection) -> None:
    """Be a worker."""
    logs.configure(config.log.level, config.log.format)

    def tell(_dicom: Address, _http: Address) -> None:
        ready.send(True)
        ready.close()

    uvloop.run(build(config).serve(tell))
