"""Installing the viewer: fetch it, check it, adapt it, compress it, and put it in its place in one step."""

import errno
import fcntl
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archimage.errors import ConfigError, ConflictError, OutOfResourcesError
from archimage.web.ohif import package as packages
from archimage.web.ohif.adapting import Adaptation
from archimage.web.ohif.installed import FILE_NAME, Viewer
from archimage.web.ohif.package import OHIF, Package
from archimage.web.ohif.unpacking import files

Watch = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much of it is, bytes; 0 of 0 where that is not known."""
_PACKED_ALREADY: Final = (".png", ".woff2")
_LEVEL: Final = 9
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def install(directory: Path, watch: Watch, tarball: Path | None = None, package: Package = OHIF) -> Viewer:
    """Install a tarball, or what npm fetches, in place of what is installed; that is served until the very end.

    Raises:
        ConfigError: there is no npm and no tarball, or the directory cannot be written.
        ConnectionFailedError: npm cannot fetch it.
        IntegrityError: what is given or fetched is something else.
        ConflictError: somebody else is installing.
        OutOfResourcesError: the disk is full.
    """
    with _writing(directory), _alone(directory):
        watch("Reading" if tarball else "Fetching", 0, 0)
        content = packages.read(tarball) if tarball else packages.fetch(package)
        packages.check(package, content)
        part = directory / f"{FILE_NAME}.part"
        try:
            with part.open("wb") as file:
                _write(file, content, package, watch)
                file.flush()
                os.fsync(file.fileno())
            part.replace(directory / FILE_NAME)
        finally:
            part.unlink(missing_ok=True)
    return Viewer(directory / FILE_NAME)


def remove(directory: Path) -> bool:
    """Take the viewer away; tell whether there was one."""
    file = directory / FILE_NAME
    with _writing(directory):
        there = file.exists()
        file.unlink(missing_ok=True)
    return there


def _write(file: io.BufferedWriter, tarball: bytes, package: Package, watch: Watch) -> None:
    """Write the ZIP file of what is in a tarball."""
    adaptation = Adaptation(package)
    stream = io.BytesIO(tarball)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for packed in files(stream):
            content = adaptation.apply(packed.name, packed.content)
            if content is not None:
                stored = packed.name.endswith(_PACKED_ALREADY)
                archive.writestr(
                    zipfile.ZipInfo(packed.name),
                    content,
                    zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED,
                    _LEVEL,
                )
            watch("Unpacking", stream.tell(), len(tarball))
        adaptation.finish()
        told = {"package": package.name, "version": package.version, "edition": adaptation.edition}
        archive.comment = json.dumps(told).encode()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep others from installing; the kernel lets them again when the process ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "install.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"the viewer is being installed in {directory} already; wait for that to end") from None
        yield


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Say in the project's own errors why the directory cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OutOfResourcesError(
                f"the viewer cannot be written to {directory}: {error.strerror}", next_step="Make room for 40 MB."
            ) from error
        raise ConfigError(f"http.viewer_directory = {directory}: {error.strerror or error}") from error
