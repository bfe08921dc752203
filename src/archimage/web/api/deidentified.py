"""`/api/v1/studies/{study_uid}/deidentified`: a study without those whom it is about, as a copy or as an archive.

In the archive every object has the name of its new UID; what was refused is told by its number alone.
"""

import zlib
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, ParamSpec, TypeVar

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from archimage.errors import ArchimageError
from archimage.model.projects import Purpose
from archimage.model.tasks import Task
from archimage.services.deidentified import pieces_of
from archimage.services.zipping import ZipWriter
from archimage.web.api.parameters import StudyUid
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT
from archimage.web.responses import StreamedResponse, read_ahead

if TYPE_CHECKING:
    from archimage.services.deidentification import Deidentified

REFUSED: Final = "REFUSED.txt"
_ZIP: Final = "application/zip"

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")

Project = Annotated[
    str, Field(max_length=64, description="Whose secret makes the pseudonyms.", examples=["lung-trial"])
]
Option = Annotated[str, Field(max_length=64, examples=["clean-descriptors"])]


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    project: Project
    keep_pixels: bool = Field(default=False, description="Neither blank pixels nor look for text in them.")


class Deidentifying(_Wanted):
    """What a copy is made for."""

    options: list[Option] = Field(default=[], max_length=16, description="Options of the profile, by name.")

    def purpose(self) -> Purpose:
        """Return it as the services take it."""
        return Purpose(self.project, tuple(self.options), self.keep_pixels)


class Archiving(_Wanted):
    """What an archive is made for."""

    option: list[Option] = Field(default=[], max_length=16, description="Option of the profile; may be repeated.")

    def purpose(self) -> Purpose:
        """Return it as the services take it."""
        return Purpose(self.project, tuple(self.option), self.keep_pixels)


def copy_deidentified(study_uid: StudyUid, wanted: Deidentifying, services: Services, response: Response) -> Task:
    """Begin to make a de-identified copy of a study, a new study here with the project's name as its label.

    Asked twice it is made once. What cannot be made safe is not copied; the task names it with the reason.
    """
    task = services.deidentified.copy(study_uid, wanted.purpose())
    response.headers["Location"] = f"{ROOT}/tasks/{task.id}"
    return task


def archive_deidentified(study_uid: StudyUid, wanted: Annotated[Archiving, Query()], services: Services) -> Response:
    """Return the objects of a study, de-identified, as a ZIP archive; nothing of them is kept here.

    What cannot be made safe is left out; `REFUSED.txt` in the archive counts it, with the reasons.
    """
    made = services.deidentified.each(study_uid, wanted.purpose())
    headers = {"Content-Disposition": f'attachment; filename="{wanted.project}.zip"', "Cache-Control": "no-store"}
    return _Streamed(_archived(made), {"Content-Type": _ZIP, **headers})


class _Streamed(Response):
    """An answer that is made while it is sent, and whose files are closed as soon as the client goes away."""

    def __init__(self, pieces: Generator[bytes | memoryview, None, None], headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        self._streamed = StreamedResponse(read_ahead(pieces, _in_thread), headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await self._streamed(scope, receive, send)


async def _in_thread(
    work: Callable[Arguments, Returned], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Returned:
    return await run_in_threadpool(work, *args, **kwargs)


def _archived(
    coming: Generator["Deidentified | ArchimageError | OSError", None, None],
) -> Generator[bytes | memoryview, None, None]:
    writer, refused, count = ZipWriter(), list[str](), 0
    try:
        for count, one in enumerate(coming, 1):
            if isinstance(one, Exception):
                refused.append(f"object {count}: {_why(one)}")
            else:
                yield from _file(writer, one)
    finally:
        coming.close()
    if refused:
        told = "\n".join([f"{len(refused)} of {count} objects are not in this archive:", *refused, ""]).encode()
        yield writer.head(REFUSED, len(told), zlib.crc32(told)) + told
    yield writer.end()


def _file(writer: ZipWriter, made: "Deidentified") -> Iterator[bytes]:
    """Yield one object; it is read twice, as its checksum stands before it."""
    with made.file as file:
        crc32 = 0
        for piece in pieces_of(file):
            crc32 = zlib.crc32(piece, crc32)
        yield writer.head(f"{made.sop_instance_uid}.dcm", file.size_bytes, crc32)
        yield from pieces_of(file)


def _why(error: ArchimageError | OSError) -> str:
    from archimage.services.deidentification import reason_of  # its libraries are there by now

    return reason_of(error)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["deidentification"], responses=failing(400, 404, 406, 503))
    one = "/studies/{study_uid}/deidentified"
    found.add_api_route(one, copy_deidentified, methods=["POST"], status_code=202, responses=failing(403))
    described: dict[int | str, dict[str, Any]] = {200: {"description": "A ZIP archive", "content": {_ZIP: {}}}}
    found.add_api_route(
        f"{one}/archive", archive_deidentified, methods=["GET"], response_model=None, responses=described
    )
    return found
