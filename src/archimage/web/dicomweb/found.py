"""What an address names: instances by their UIDs, frames by their numbers."""

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from archimage.errors import InvalidRequestError
from archimage.model.records import StoredInstance
from archimage.web.dicomweb.conditional import WEAK
from archimage.web.dicomweb.resources import DicomWebRequest

MAX_FRAMES: Final = 10_000
_NUMBERS: Final = re.compile(r"[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8})*", re.ASCII)


def instances(request: DicomWebRequest) -> tuple[StoredInstance, ...]:
    """Return the instances of the study, the series, or the one instance that the path names; blocks.

    Raises:
        NotFoundError: there are none.
    """
    named = request.variables
    if "instance" in named:
        return (instance(request),)
    return request.services.frames.instances(named["study"], named.get("series"))


def instance(request: DicomWebRequest) -> StoredInstance:
    """Return the instance that the path names; blocks.

    Raises:
        NotFoundError: it is not there.
    """
    named = request.variables
    return request.services.frames.instance(named["study"], named["series"], named["instance"])


def series_uids(request: DicomWebRequest) -> Sequence[str]:
    """Return the series that the path names, or every one of its study; blocks.

    Raises:
        NotFoundError: the study is not there.
    """
    named = request.variables
    return [named["series"]] if "series" in named else request.services.metadata.series_uids(named["study"])


def address(request: DicomWebRequest) -> str:
    """Return the address of the instance that the path names."""
    named = request.variables
    return f"{request.base_url}/studies/{named['study']}/series/{named['series']}/instances/{named['instance']}"


def frame_numbers(text: str) -> tuple[int, ...]:
    """Parse a frame list, numbers from 1 on with commas.

    Raises:
        InvalidRequestError: it is none, or names too many.
    """
    if not _NUMBERS.fullmatch(text):
        raise InvalidRequestError(f"{text[:40]!r} is no list of frames: write 1, or 1,2,3")
    numbers = tuple(map(int, text.split(",")))
    if len(numbers) > MAX_FRAMES:
        raise InvalidRequestError(f"{len(numbers)} frames are asked for at once; {MAX_FRAMES} may be")
    return numbers


def etag(found: Iterable[StoredInstance], *form: object, multipart: bool = False) -> str:
    """Return the entity tag of these instances in some form; that of a multipart, whose boundary changes, is weak."""
    digest = blake2b(repr((form, multipart)).encode(), digest_size=16)
    for one in found:
        digest.update(one.digest)
    return f'{WEAK if multipart else ""}"{digest.hexdigest()}"'
