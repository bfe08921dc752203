"""Secrets of projects for which objects are de-identified: made when a project is first named, and never sent anywhere.

    deidentification/{project}.secret      32 random bytes in hexadecimal, to be read by their owner alone

Who has the secret can find out whose pseudonym is whose; without it the same pseudonyms can never be made again.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from archimage.errors import StorageError
from archimage.model.projects import SECRET_BYTES, check_project, read_secret
from archimage.storage.files import storage_errors, sync_directory

_FOLDER_MODE: Final = 0o700
_MODE: Final = 0o600


def has_secret(directory: Path, project: str) -> bool:
    """Tell whether a data directory has a secret of a project."""
    return _path(directory, project).exists()


def project_secret(directory: Path, project: str) -> bytes:
    """Return the secret of a project in a data directory; it is made, and on the disk, if there was none.

    Raises:
        InvalidRequestError: the name is not 1 to 64 letters, digits, hyphens and underscores.
        StorageError: it cannot be read or written, is damaged, or others than its owner may read it.
    """
    path = _path(directory, project)
    with storage_errors("keep the secret of a project"):
        if not path.exists():
            _make(path)
        mode, text = path.stat().st_mode, path.read_text("ascii", "replace").strip()
    if mode & 0o077:
        raise StorageError(f"others than its owner may read {path}", next_step=f"chmod 600 {path}")
    secret = read_secret(text)
    if secret is None:
        raise StorageError(
            f"{path} holds no secret", next_step="Restore it from a backup; its pseudonyms depend on it."
        )
    return secret


def _path(directory: Path, project: str) -> Path:
    return directory / "deidentification" / f"{check_project(project)}.secret"


def _make(path: Path) -> None:
    """Write a secret under its name at once; one that somebody else has just made stays."""
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    try:
        os.write(fd, secrets.token_hex(SECRET_BYTES).encode("ascii") + b"\n")
        os.fsync(fd)
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        os.close(fd)
        new.unlink()
    sync_directory(path.parent)
