"""What a client is told of the objects that it stored: the Store Instances Response (PS3.18 §10.5.3, Annex I)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import orjson
from starlette.responses import Response

from archimage.dicom.jsonmodel import Attribute, Model
from archimage.dicom.xml import model_xml
from archimage.errors import ArchimageError, ExcessiveRequestError, InvalidRequestError
from archimage.services.stow_object import Answer, Failed, Stored, failure_reason
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.resources import DicomWebRequest
from archimage.web.errors import RETRY_AFTER_S, answer_to, warning

JSON: Final = Offer("application/dicom+json")
XML: Final = Offer("application/dicom+xml")
OFFERS: Final = (JSON, Offer("application/json"), XML)
_TOLD: Final = frozenset(
    {
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
"""Statuses that say more than 409 where every object failed for that reason."""


def response(
    request: DicomWebRequest, form: Offer, answers: Sequence[Answer], broken: ArchimageError | None
) -> Response:
    """Answer a request in the form that is asked for; broken is why it was not read to its end, if it was not."""
    stored = [answer for answer in answers if isinstance(answer, Stored)]
    failed = [answer for answer in answers if isinstance(answer, Failed)]
    model = _report(request, stored, failed, broken)
    body = model_xml(model) if form == XML else orjson.dumps(model)
    status = _status(stored, failed, broken)
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if notes := _notes(stored, failed, broken):
        headers["Warning"] = ", ".join(warning(request.base_url, note) for note in notes)
    return Response(body, status, headers, form.media_type)


def _status(stored: Sequence[Stored], failed: Sequence[Failed], broken: ArchimageError | None) -> HTTPStatus:
    """Choose the status (PS3.18 Table 10.5.3-1)."""
    if broken is not None and (not stored or isinstance(broken, ExcessiveRequestError)):
        return answer_to(broken).status
    if stored:
        return HTTPStatus.ACCEPTED if failed or broken else HTTPStatus.OK
    if failed and all(map(_is_unreadable, failed)):
        return HTTPStatus.BAD_REQUEST
    statuses = {answer_to(answer.error).status for answer in failed}
    return statuses.pop() if len(statuses) == 1 and statuses <= _TOLD else HTTPStatus.CONFLICT


def _is_unreadable(answer: Failed) -> bool:
    """Tell of metadata that is none: what is wrong is the request, not an object of it."""
    return isinstance(answer.error, InvalidRequestError) and not answer.sop_instance_uid


def _notes(stored: Sequence[Stored], failed: Sequence[Failed], broken: ArchimageError | None) -> list[str]:
    """Say in words what the reasons' codes do not."""
    notes = [] if broken is None else [f"The request was not read to its end: {_words(broken)}"]
    if failed:
        notes.append(
            f"{len(failed)} of {len(failed) + len(stored)} not stored, the first because {_words(failed[0].error)}"
        )
    if preambles := sum(answer.preamble for answer in stored):
        notes.append(f"{preambles} stored without the preamble that came with it")
    return notes


def _words(error: ArchimageError) -> str:
    """Say what is wrong, unless that is the server's own affair."""
    status = answer_to(error).status
    return status.phrase if status >= HTTPStatus.INTERNAL_SERVER_ERROR else str(error).replace(",", ";")[:200]


def _report(
    request: DicomWebRequest, stored: Sequence[Stored], failed: Sequence[Failed], broken: ArchimageError | None
) -> Model:
    """Make the Store Instances Response Module (PS3.18 Annex I)."""
    base = request.base_url
    studies = {answer.study_instance_uid for answer in stored} | {request.variables.get("study", "")} - {""}
    known = [answer for answer in failed if answer.sop_instance_uid]
    unknown = [answer.error for answer in failed if not answer.sop_instance_uid]
    unknown += [broken] if broken is not None else []
    model = {"00081190": _values("UR", f"{base}/studies/{studies.pop()}") if len(studies) == 1 else {"vr": "UR"}}
    sequences: dict[str, list[Model]] = {
        "00081198": [_referenced(answer) | _reason(answer.error) for answer in known],
        "00081199": [_referenced(answer) | _retrieve_url(base, answer) for answer in stored],
        "0008119A": [_reason(error) for error in unknown],
    }
    return model | {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}


def _referenced(answer: Answer) -> Model:
    return {"00081150": _values("UI", answer.sop_class_uid), "00081155": _values("UI", answer.sop_instance_uid)}


def _retrieve_url(base: str, answer: Stored) -> Model:
    path = f"studies/{answer.study_instance_uid}/series/{answer.series_instance_uid}"
    return {"00081190": _values("UR", f"{base}/{path}/instances/{answer.sop_instance_uid}")}


def _reason(error: ArchimageError) -> Model:
    return {"00081197": _values("US", failure_reason(error))}


def _values(vr: str, value: str | int) -> Attribute:
    return {"vr": vr, "Value": [value]}
