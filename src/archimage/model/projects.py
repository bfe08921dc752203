"""What objects are de-identified for: a project, whose secret makes the pseudonyms, and what is asked for beside."""

import re
from dataclasses import dataclass
from typing import Final

from archimage.errors import InvalidRequestError

SECRET_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What objects are de-identified for; options are names of those of the profile (`dicom.deidentify.options`).

    Pixels are blanked by rules and searched for text, unless keep_pixels says that they are left alone.
    """

    project: str
    options: tuple[str, ...] = ()
    keep_pixels: bool = False


def check_project(name: str) -> str:
    """Return the name of a project; InvalidRequestError where it is none."""
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(f"{name[:80]!r} is no name of a project: letters, digits, - and _, 64 at most")
    return name


def read_secret(text: str) -> bytes | None:
    """Read the secret of a project, in hexadecimal; None where it is none."""
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        return None
    return secret if len(secret) == SECRET_BYTES else None
