"""The files of a tarball of npm, read one after the other and never written anywhere by the name they have in it."""

import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from archimage.errors import IntegrityError

_TOP: Final = "package/dist/"
_NAME: Final = re.compile(r"(?!/)(?:(?!\.{1,2}(?:/|$))[A-Za-z0-9._@+-]+(?:/(?!$)|$))+", re.ASCII)
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class UnpackingLimits:
    """What a package may hold at most."""

    members: int = 5_000
    size_bytes: int = 512 << 20


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file of the built application; name is relative to its directory, with slashes."""

    name: str
    content: bytes


def files(tarball: BinaryIO, limits: UnpackingLimits | None = None) -> Iterator[PackedFile]:
    """Yield the files of the built application.

    Raises:
        IntegrityError: it is no tarball, larger than it may be, or has members that no package has.
    """
    limits = limits or UnpackingLimits()
    left = limits.size_bytes
    try:
        with tarfile.open(fileobj=tarball, mode="r|gz") as archive:
            for number, member in enumerate(archive, 1):
                left -= member.size
                if number > limits.members or left < 0:
                    raise IntegrityError(
                        f"the package unpacks to more than {limits.members} files or {limits.size_bytes >> 20} MiB"
                    )
                if member.isdir():
                    continue
                _check(member)
                if member.name.startswith(_TOP):
                    opened = archive.extractfile(member)
                    content = opened.read() if opened else b""
                    yield PackedFile(member.name.removeprefix(_TOP), content)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise IntegrityError(f"the package is no tarball: {error}") from None


def _check(member: tarfile.TarInfo) -> None:
    """Refuse links, devices, and names that lead out of the package."""
    name = member.name
    if not member.isreg():
        raise IntegrityError(f"the package has a member that is no file: {name[:_MAX_NAME]!r}")
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise IntegrityError(f"the package has a member whose name no file may have: {name[:_MAX_NAME]!r}")
