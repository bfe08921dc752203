"""Moving or deleting files that have been read; never one that has changed since."""

import errno
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from archimage.services.seen import Identity, identity

_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})
_MOST_NAMES: Final = 10_000


def delete(path: Path, known: Identity) -> bool:
    """Delete a file that is what it was; False where it is another by now."""
    if identity(path.lstat()) != known:
        return False
    path.unlink()
    return True


def move(path: Path, known: Identity, to: Path) -> bool:
    """Move a file that is what it was, also to another file system; a name that is taken there gets a number.

    False where it is another by now.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    for name in _names(to):
        try:
            _copy(path, name)
        except FileExistsError:
            continue
        if delete(path, known):
            return True
        name.unlink()
        return False
    raise FileExistsError(errno.EEXIST, "too many files of this name are there", str(to))


def _names(to: Path) -> Iterator[Path]:
    yield to
    for number in count(1):
        if number > _MOST_NAMES:
            return
        yield to.with_name(f"{to.name}.{number}")


def _copy(path: Path, name: Path) -> None:
    """Give a file a second name; where that cannot be, copy it and flush the copy."""
    try:
        os.link(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("rb") as source, name.open("xb") as copy:
            try:
                shutil.copyfileobj(source, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
            except BaseException:
                name.unlink()
                raise
