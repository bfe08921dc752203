"""Several studies in one ZIP archive, as they are stored, a folder for each: what somebody has chosen in a list.

The standard knows archives of one study only (PS3.18 §8.7.3.7); this resource is our own.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from starlette.types import ASGIApp

from archimage.errors import ExcessiveRequestError, InvalidRequestError
from archimage.model.ids import check_uid
from archimage.web.dicomweb import wado
from archimage.web.dicomweb.forms import ZIP
from archimage.web.dicomweb.resources import ACCEPT, DicomWebRequest, Parameter, Resource
from archimage.web.dicomweb.wado import Wanted

MAX_STUDIES: Final = 100
_STUDIES: Final = "StudyInstanceUID"


async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    studies = [check_uid(uid) for uid in dict.fromkeys(request.query.split(_STUDIES))]
    if not studies:
        raise InvalidRequestError(f"no study is named: write {_STUDIES}=UID, several with commas")
    if len(studies) > MAX_STUDIES:
        raise ExcessiveRequestError(f"{len(studies)} studies are asked for at once; {MAX_STUDIES} may be")
    request.choose(wado.ARCHIVE)
    return await request.run(_archived, request, studies)


def _archived(request: DicomWebRequest, studies: Sequence[str]) -> ASGIApp:
    def wanted() -> Iterator[Wanted]:
        for study in studies:
            for one in request.services.frames.instances(study):
                yield Wanted(one, one.transfer_syntax_uid, may_stay=True, folder=study)

    return wado.archived(request, wanted(), "studies")


RESOURCES: Final = (
    Resource(
        "RetrieveChosenStudies",
        "GET",
        "/archive",
        _retrieve,
        "Retrieve several studies in one archive",
        (
            Parameter(_STUDIES, f"Which studies, at most {MAX_STUDIES}: several with commas, or the parameter again."),
            ACCEPT,
        ),
        (ZIP,),
        statuses=(200, 400, 404, 406, 413),
    ),
)
