"""`POST /instances`: a DICOM file, or a ZIP archive or form of several."""

from typing import Final

from starlette.types import ASGIApp

from archimage.errors import InvalidFileError
from archimage.model.attributes import Level
from archimage.model.hashed import Named
from archimage.services.uploads import Uploading, UploadSummary
from archimage.web.orthanc.calls import Call, Endpoint, answer
from archimage.web.orthanc.describing import path_of
from archimage.web.uploading import receive_upload

_NAME: Final = "body"
_STATUSES: Final = {"stored": "Success", "replaced": "Success", "duplicate": "AlreadyStored"}


async def _store(call: Call) -> ASGIApp:
    upload = call.services.management.uploads.begin(at_once=True)
    summary = await receive_upload(call.request, upload, _NAME, None)
    _check(upload, summary)
    told = await call.run(lambda: [*_told(call, summary)])
    return answer(told[0] if [file.name for file in summary.files] == [_NAME] else told)


def _check(upload: Uploading, summary: UploadSummary) -> None:
    """Raise what kept an object from being stored, if anything did; those beside it in an archive are kept."""
    others = summary.stored + summary.replaced + summary.duplicate
    kept = f"; {others} others are kept" if others else ""
    refused = next((file for file in summary.files if file.fate == "refused"), None)
    if upload.error is not None:
        raise upload.error
    if refused is not None:
        raise InvalidFileError(f"{refused.name[:80]}: {refused.reason}{kept}")
    if summary.ignored == len(summary.files):
        raise InvalidFileError(summary.files[0].reason if summary.files else "there are no files in it")


def _told(call: Call, summary: UploadSummary) -> list[dict[str, str]]:
    orthanc = call.services.orthanc
    kept = [file for file in summary.files if file.fate in _STATUSES]
    return [_stored(orthanc.instance(file.sop_instance_uid), _STATUSES[file.fate]) for file in kept]


def _stored(named: Named, status: str) -> dict[str, str]:
    return {
        "ID": named.hashed_id,
        "ParentPatient": named.above(Level.PATIENT).hashed_id,
        "ParentSeries": named.above(Level.SERIES).hashed_id,
        "ParentStudy": named.above(Level.STUDY).hashed_id,
        "Path": path_of(named),
        "Status": status,
    }


ENDPOINTS: Final = (Endpoint("POST", "/instances", _store),)
