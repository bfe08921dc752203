"""What takes worker processes: objects and frames in other transfer syntaxes, pictures.

Such work may take long, whatever a codestream does to its decoder: it waits in threads of its own, so that what needs
no worker is answered meanwhile.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.codecs.description import Quality
from archimage.errors import DicomError, ExcessiveRequestError, NotAcceptableError
from archimage.model.records import StoredInstance
from archimage.ports.storage import BlobReader
from archimage.web.dicomweb.resources import DicomWebRequest, Parameter

QUALITY_NAMES: Final = ("quality", "imageQuality")
QUALITY: Final = Parameter(
    "quality",
    "In a transfer syntax that may be lossy: the quality that is enough, as of JPEG. Without it nothing is lost that "
    "need not be.",
    {"type": "integer", "minimum": 1, "maximum": 100},
)


@dataclass(frozen=True, slots=True)
class Slow:
    """The rest of an answer, which takes a worker process."""

    work: Callable[[], ASGIApp]


async def answered(request: DicomWebRequest, work: Callable[[DicomWebRequest], ASGIApp | Slow]) -> ASGIApp:
    """Have an answer made in a thread, and what is slow of it in one of those for slow work.

    Raises:
        NotAcceptableError: in place of any DicomError: what is stored is to blame, not the request.
    """
    try:
        answer = await request.run(work, request)
        if isinstance(answer, Slow):
            request.slow = True
            return await request.run(answer.work)
    except DicomError as error:
        raise NotAcceptableError(str(error)) from error
    return answer


@contextmanager
def unless_impossible() -> Iterator[None]:
    """Say of what cannot be made of a stored object that it is not acceptable.

    Raises:
        NotAcceptableError: in place of any DicomError, and of ExcessiveRequestError: the object is too large.
    """
    try:
        yield
    except (DicomError, ExcessiveRequestError) as error:
        raise NotAcceptableError(str(error)) from error


def percent(request: DicomWebRequest) -> int | None:
    """Return the quality that is enough where a transfer syntax can do with less; None when nothing is to be lost.

    Ref: PS3.18 §9.4.1.2.2 (Image Quality, with the Transfer Syntax parameter); for RESTful resources it is our own.
    """
    name = next((name for name in QUALITY_NAMES if request.query.one(name) is not None), None)
    return None if name is None else request.query.integer(name, default=100, low=1, high=100)


def _quality(request: DicomWebRequest) -> Quality | None:
    asked = percent(request)
    return None if asked is None else Quality.of_percent(asked)


@contextmanager
def opened(request: DicomWebRequest, instance: StoredInstance, target: str) -> Generator[BlobReader, None, None]:
    """Open an instance as a file in another transfer syntax.

    Raises:
        NotAcceptableError: it cannot be had in that.
    """
    with unless_impossible():
        made = request.services.transcoding.transcode(instance, target, _quality(request))
    with made.file:
        yield made.file


def frame(request: DicomWebRequest, instance: StoredInstance, number: int, target: str) -> bytes:
    """Return a frame in another transfer syntax.

    Raises:
        NotAcceptableError: it cannot be had in that.
    """
    with unless_impossible():
        return request.services.transcoding.frame(instance, number, target, _quality(request))
