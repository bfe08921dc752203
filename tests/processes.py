"""Our archive run in the test's own main thread, where signals arrive, and a thread that plays the world around it."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from archimage.config import Config, DicomConfig, HttpConfig, StorageConfig
from archimage.listeners import Addresses
from archimage.server import OnReady

Returned = TypeVar("Returned")


def config(directory: Path, *, workers: int = 1, dicom: DicomConfig | None = None, **storage: object) -> Config:
    """Return settings on free ports."""
    listener = dicom or DicomConfig(port=0, workers=workers)
    kept = StorageConfig.model_validate({"directory": directory, **storage})
    return Config(dicom=listener, http=HttpConfig(port=0), storage=kept)


def played(
    serve: Callable[[OnReady], None], play: Callable[[int], Returned], number: signal.Signals = signal.SIGTERM
) -> tuple[Returned, float]:
    """Serve until play, called with the DICOM port from another thread, returns; then end by a signal.

    Return what play returned, and the seconds that the end took.
    """
    result: Future[Returned] = Future()
    signalled: list[float] = []

    def run(port: int) -> None:
        try:
            result.set_result(play(port))
        except BaseException as error:
            result.set_exception(error)
        signalled.append(time.monotonic())
        os.kill(os.getpid(), number)

    def ready(addresses: Addresses) -> None:
        threading.Thread(target=run, args=(addresses.ports.dicom,)).start()

    serve(ready)
    ended = time.monotonic()
    return result.result(10), ended - signalled[0]
