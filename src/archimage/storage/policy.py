"""The file of the access policy: read when it has changed, and replaced as a whole."""

import os
from pathlib import Path
from typing import Final

from archimage.storage.files import storage_errors, sync_directory, write_all

MAX_BYTES: Final = 16 << 20
_MODE: Final = 0o600


class PolicyFile:
    """Implements `services.access.PolicyText`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._text: str | None = None

    def read(self) -> str | None:
        """Return the text, None where there is no file; it is read again only where the file is another one."""
        with storage_errors(f"read the access policy {self._path}"):
            try:
                found = self._path.stat()
            except FileNotFoundError:
                self._stamp = self._text = None
                return None
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp != self._stamp:
                if found.st_size > MAX_BYTES:
                    raise OSError(f"it is longer than {MAX_BYTES} bytes")
                self._text, self._stamp = self._path.read_text("utf-8", "replace"), stamp
            return self._text

    def write(self, text: str) -> None:
        """Replace the file, all at once."""
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with storage_errors(f"write the access policy {self._path}"):
            fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
            try:
                write_all(fd, [text.encode()])
                os.fsync(fd)
            finally:
                os.close(fd)
            aside.replace(self._path)
            sync_directory(self._path.parent)
