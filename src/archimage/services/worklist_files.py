"""Worklist files, as DCMTK's wlmscpfs has them: a data set a file, in a directory for each AE title that is called.

An entry of a directory that is looked at is there as long as its file is. What cannot be read is told once, until the
file is another one.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from archimage.dicom.part10 import decode_bare_file, decode_file_meta
from archimage.errors import ArchimageError, ConflictError, InvalidFileError, InvalidRequestError, NotFoundError
from archimage.logger import logger
from archimage.model.worklist import WorklistItem
from archimage.services.datasets import Model, decode, items
from archimage.services.worklist import WorklistService
from archimage.services.worklist_entries import MAX_BYTES, STEPS

SOURCE: Final = "directory"
MAX_FILES: Final = 20_000
_MAX_FILE_BYTES: Final = 4 * MAX_BYTES
_OF_THE_FILE: Final = ("00080016", "00080018")
_log = logger("task")

Seen = tuple[int, int]
"""When a file was changed, nanoseconds, and its size, bytes."""


def check_changeable(item: WorklistItem) -> None:
    """Raise ConflictError where an entry is what a file of the directory says."""
    if item.source == SOURCE:
        raise ConflictError("this entry stands in a file of worklist.directory: change or remove that")


def entries_of(path: Path) -> list[Model]:
    """Read the entries of a file: one for each scheduled procedure step.

    Raises:
        InvalidFileError: it is no file of a data set.
        InvalidDatasetError: its data set cannot be read.
        InvalidRequestError: it has no scheduled procedure step, or is too long.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidRequestError(f"it is longer than {_MAX_FILE_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise InvalidFileError(f"it cannot be read: {error.strerror}") from None
    try:
        meta, start = decode_file_meta(data)
    except InvalidFileError:
        meta, start = decode_bare_file(data)
    model = decode(data[start:], meta.transfer_syntax_uid)
    for name in _OF_THE_FILE:
        model.pop(name, None)
    steps = items(model, STEPS)
    if not steps:
        raise InvalidRequestError("it has no scheduled procedure step")
    return [{**model, f"{STEPS:08X}": {"vr": "SQ", "Value": [step]}} for step in steps]


def files_of(directory: Path) -> Iterator[Path]:
    """Yield the worklist files in a directory and in those of its AE titles, at most so many."""
    found = (path for pattern in ("*.wl", "*/*.wl") for path in sorted(directory.glob(pattern)))
    for _, path in zip(range(MAX_FILES), found, strict=False):
        yield path


class WorklistDirectory:
    """Keeps the worklist as a directory has it, by looking again and again, in a thread of its own. `close` it."""

    def __init__(self, worklist: WorklistService, directory: Path, every_s: float) -> None:
        self._worklist = worklist
        self._directory = directory
        self._every_s = every_s
        self._seen: dict[Path, Seen] = {}
        self._taken: dict[Path, frozenset[str]] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worklist-files", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End; entries stay."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Take what is new or another, and forget entries whose file is gone; OSError where the directory is."""
        found = self._found()
        for path, seen in found.items():
            if self._closing.is_set():
                return
            if self._seen.get(path) != seen:
                self._take(path)
        self._seen = found
        self._taken = {path: keys for path, keys in self._taken.items() if path in found}
        there = {self._name(path): self._taken.get(path) for path in found}
        for key in self._worklist.keys_of(SOURCE):
            name = key.rpartition("-")[0]
            of_file = there.get(name)
            if name not in there or (of_file is not None and key not in of_file):
                with suppress(NotFoundError):
                    self._worklist.remove(key)

    def _found(self) -> dict[Path, Seen]:
        if not self._directory.is_dir():
            raise FileNotFoundError(f"{self._directory} is no directory")
        found = {}
        for path in files_of(self._directory):
            with suppress(OSError):
                state = path.stat()
                found[path] = (state.st_mtime_ns, state.st_size)
        return found

    def _name(self, path: Path) -> str:
        """Return what the keys of a file's entries begin with."""
        place = path.relative_to(self._directory).as_posix()
        return f"file-{hashlib.sha256(place.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"

    def _take(self, path: Path) -> None:
        """Keep the entries of a file; those that it had stay where it cannot be read, as it may be half written."""
        try:
            models = entries_of(path)
            keys = [f"{self._name(path)}-{number}" for number in range(len(models))]
            for key, model in zip(keys, models, strict=True):
                self._worklist.put(model, source=SOURCE, key=key, lasting=True)
            self._taken[path] = frozenset(keys)
        except ArchimageError as error:
            self._taken.pop(path, None)
            _log.warning("a worklist file was not taken", file=path.name, reason=str(error))

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.look()
            except (ArchimageError, OSError) as error:
                _log.warning("the directory of the worklist could not be looked at", reason=str(error))
            self._closing.wait(self._every_s)
