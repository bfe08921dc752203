"""What somebody who opens a study will ask for in a moment, made while their viewer still loads.

A viewer in a browser takes a second or more to begin; the metadata of a large series that nobody has asked for yet, and
the first worker process for pixels, take some tenths of one each.
"""

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from archimage.errors import ArchimageError
from archimage.services.metadata import MetadataService

_UID: Final = re.compile(r"[0-9.]{1,64}", re.ASCII)
_MAX_STUDIES: Final = 4
MAX_WAITING: Final = 16


class PreparingService:
    """Makes things ready in a thread of its own; warm starts the worker processes."""

    def __init__(self, metadata: MetadataService, warm: Callable[[], None]) -> None:
        self._metadata = metadata
        self._warm = warm
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = threading.Event()
        self._thread = ThreadPoolExecutor(1, "prepare")

    @property
    def waiting(self) -> int:
        """How many studies wait, the one that is being made ready among them."""
        return self._waiting

    def begin(self, study_instance_uids: Iterable[str]) -> None:
        """Begin with the first few of some studies, known or not; returns at once, and leaves it where much waits."""
        for uid in tuple(study_instance_uids)[:_MAX_STUDIES]:
            with self._lock:
                if self._closed.is_set() or self._waiting >= MAX_WAITING or not _UID.fullmatch(uid):
                    return
                self._waiting += 1
                begun = self._thread.submit(self._prepare, uid)
            begun.add_done_callback(self._done)

    def close(self) -> None:
        """Stop after the series that is being made ready."""
        with self._lock:
            self._closed.set()
        self._thread.shutdown(cancel_futures=True)

    def _prepare(self, study_instance_uid: str) -> None:
        self._warm()
        try:
            for series in self._metadata.series_uids(study_instance_uid):
                if self._closed.is_set():
                    return
                self._metadata.series(study_instance_uid, series)
        except ArchimageError:
            return  # whoever asks for it is told

    def _done(self, _begun: "Future[None]") -> None:
        with self._lock:
            self._waiting -= 1
