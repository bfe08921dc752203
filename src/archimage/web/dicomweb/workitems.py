"""UPS-RS: work items are made, found, changed, claimed, ended, and asked to be cancelled.

Ref: PS3.18 §11.4 to §11.9.
"""

from collections.abc import Mapping, Sequence
from functools import partial, wraps
from http import HTTPStatus
from itertools import islice
from typing import Final
from urllib.parse import unquote

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp

from archimage.dicom.jsonmodel import ModelLimits, bulk_data_uris, parse_json
from archimage.dicom.xml import model_xml, parse_xml
from archimage.errors import InvalidRequestError, RefusedOperationError, UnsupportedMediaTypeError
from archimage.model.ups import Workitem
from archimage.protocol.status import Status
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services import modelmatching, ups
from archimage.services.datasets import Model, encode, text
from archimage.services.qido import keys_of, parse_path
from archimage.services.ups_rules import STATE, TRANSACTION_UID, shown
from archimage.services.ups_subscriptions import RECEIVING_AE
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.resources import ACCEPT, DicomWebRequest, Handler, Parameter, Resource
from archimage.web.errors import status_report, warning
from archimage.web.multipart import MultipartWriter

MAX_RESULTS: Final = 1_000
_JSON: Final = Offer("application/dicom+json")
_PLAIN_JSON: Final = Offer("application/json")
_XML: Final = Offer("application/dicom+xml")
_XML_PARTS: Final = Offer("application/dicom+xml", multipart=True)
_LIMITS: Final = ModelLimits(1 << 20, 16, 50_000)
_OPTIONS: Final = frozenset({"accept", "fuzzymatching", "includefield", "limit", "offset", "emptyvaluematching"})
_CONSUMES: Final = (_JSON.media_type, _PLAIN_JSON.media_type, _XML.media_type)
_INCONSISTENT: Final = "The submitted request is inconsistent with the current state of the Workitem."
_ANSWERS: Final[Mapping[int, tuple[HTTPStatus, str]]] = {
    Status.DUPLICATE_SOP_INSTANCE: (HTTPStatus.CONFLICT, "The Workitem already exists."),
    Status.RESOURCE_LIMITATION: (HTTPStatus.INSUFFICIENT_STORAGE, "The request is beyond a limit of the server."),
    ups.GONE: (HTTPStatus.CONFLICT, _INCONSISTENT),
    0xC302: (HTTPStatus.CONFLICT, _INCONSISTENT),
    0xC303: (HTTPStatus.BAD_REQUEST, _INCONSISTENT),
    0xC304: (HTTPStatus.CONFLICT, _INCONSISTENT),
    ups.UNKNOWN: (HTTPStatus.NOT_FOUND, "The Target Workitem was not found."),
    0xC310: (HTTPStatus.CONFLICT, _INCONSISTENT),
    0xC311: (HTTPStatus.CONFLICT, "The UPS is already COMPLETED."),
    0xC312: (HTTPStatus.CONFLICT, "The performer cannot be contacted."),
}
_INCORRECT: Final = "The Transaction UID is incorrect."
_OF_UPDATES: Final = {
    **_ANSWERS,
    ups.GONE: (HTTPStatus.BAD_REQUEST, _INCONSISTENT),
    ups.WRONG_TRANSACTION: (HTTPStatus.BAD_REQUEST, _INCONSISTENT),
    0xC310: (HTTPStatus.CONFLICT, "The target URI did not reference a claimed Workitem."),
}
_OF_STATE: Final = "The submitted request is inconsistent with the state of the UPS Instance."
_OF_STATES: Final = {
    **{key: (code, _OF_STATE if told == _INCONSISTENT else told) for key, (code, told) in _ANSWERS.items()},
    ups.WRONG_TRANSACTION: (HTTPStatus.BAD_REQUEST, _INCORRECT),
}
"""The standard has words of its own for each transaction (PS3.18 §11.6.3.2, §11.7.3.2)."""
_TOLD: Final = {
    ups.MODIFIED: "The Workitem was created with modifications.",
    ups.ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED.",
    ups.ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED.",
}


def answering(handle: Handler, answers: Mapping[int, tuple[HTTPStatus, str]] = _ANSWERS) -> Handler:
    """Answer what is refused with the status and the warning that the standard gives it."""

    @wraps(handle)
    async def handler(request: DicomWebRequest) -> ASGIApp:
        try:
            return await handle(request)
        except RefusedOperationError as error:
            status, told = answers.get(error.status, (HTTPStatus.BAD_REQUEST, "The request is not valid."))
            if told == _INCORRECT and "needs" in str(error):
                told = "The Transaction UID is missing."
            headers = {"Warning": warning(request.base_url, told)}
            return status_report(status, str(error), error.next_step or "Look at the work item.", headers)

    return handler


def headers(
    request: DicomWebRequest, status: int = Status.SUCCESS, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the headers of an answer, with what a warning says."""
    told = {"Warning": warning(request.base_url, _TOLD[status])} if status in _TOLD else {}
    return {"Cache-Control": "no-store", **told, **(more or {})}


async def _model(request: DicomWebRequest) -> Model:
    """Read the data set that a request brings, one that could be told over DIMSE too."""
    kind = (request.header("content-type") or _JSON.media_type).partition(";")[0].strip().lower()
    body = await request.body()
    if kind == _XML.media_type:
        found = [await request.run(parse_xml, body, _LIMITS)]
    elif kind in _CONSUMES:
        found = parse_json(body or b"[]", _LIMITS)
    else:
        raise UnsupportedMediaTypeError(f"{kind[:80]!r} is not taken; send one of {', '.join(_CONSUMES)}")
    if len(found) != 1:
        raise InvalidRequestError(f"the body has {len(found)} data sets; one is wanted")
    (model,) = found
    if any(True for _ in bulk_data_uris(model)):
        raise InvalidRequestError("values are wanted in the data set itself, not by reference")
    encode(model, EXPLICIT_VR_LITTLE_ENDIAN)
    return model


@answering
async def _create(request: DicomWebRequest) -> ASGIApp:
    uid = _named(request, "workitem", "affectedsopinstanceuid")
    model = await _model(request)
    inside = text(model, 0x00080018)
    made = await request.run(request.services.procedures.steps.create, model, uid or inside)
    address = f"{request.base_url}/workitems/{made.uid}"
    told = headers(request, made.status, {"Location": address, "Content-Location": address})
    return Response(b"", HTTPStatus.CREATED, told)


@answering
async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    offer = request.choose((_JSON, _PLAIN_JSON, _XML, _XML_PARTS)).offer
    item = await request.run(request.services.procedures.steps.get, request.variables["workitem"])
    if offer.multipart:
        return _results([item], offer, headers(request, more={"Vary": "Accept"}))
    model = shown(item)
    body = model_xml(model) if offer == _XML else orjson.dumps([model])
    return Response(body, HTTPStatus.OK, headers(request, more={"Vary": "Accept"}), offer.media_type)


@partial(answering, answers=_OF_UPDATES)
async def _update(request: DicomWebRequest) -> ASGIApp:
    changes = await _model(request)
    transaction = _named(request, "transaction-uid", "transactionuid") or text(changes, TRANSACTION_UID)
    await request.run(request.services.procedures.steps.update, request.variables["workitem"], changes, transaction)
    return Response(b"", HTTPStatus.OK, headers(request))


@partial(answering, answers=_OF_STATES)
async def _change_state(request: DicomWebRequest) -> ASGIApp:
    asked = await _model(request)
    change = request.services.procedures.steps.change_state
    uid = request.variables["workitem"]
    status = await request.run(change, uid, text(asked, STATE), text(asked, TRANSACTION_UID))
    return Response(b"", HTTPStatus.OK, headers(request, status))


@answering
async def _request_cancel(request: DicomWebRequest) -> ASGIApp:
    asked = await _model(request) if int(request.header("content-length") or "1") else {}
    asked.pop(f"{RECEIVING_AE:08X}", None)
    steps = request.services.procedures.steps
    requester = request.variables.get("requester", "WEB")[:16]
    status = await request.run(steps.request_cancel, request.variables["workitem"], asked, requester)
    answer = HTTPStatus.CONFLICT if status else HTTPStatus.ACCEPTED
    return Response(b"", answer, headers(request, status))


@answering
async def _search(request: DicomWebRequest) -> ASGIApp:
    offer = request.choose((_JSON, _PLAIN_JSON, _XML_PARTS)).offer
    query = request.query
    limit = query.integer("limit", default=MAX_RESULTS, low=0, high=MAX_RESULTS)
    offset = query.integer("offset", default=0, low=0, high=1 << 40)
    empty = query.flag("emptyvaluematching")
    pairs = [(parse_path(name), value) for name, value in query.pairs if name not in _OPTIONS]
    wanted = modelmatching.parse(keys_of(pairs, ()), empty_values=empty)
    find = request.services.procedures.steps.find
    found = await request.run(lambda: list(islice(find(wanted), offset, offset + limit + 1)))
    notes = ["There are additional results that can be requested."] if len(found) > limit else []
    if query.flag("fuzzymatching"):
        notes.append("The fuzzymatching parameter is not supported. Only literal matching has been performed.")
    told = headers(request, more={"Vary": "Accept"})
    if notes:
        told["Warning"] = ", ".join(warning(request.base_url, note) for note in notes)
    return _results(found[:limit], offer, told)


def _results(found: Sequence[Workitem], offer: Offer, told: dict[str, str]) -> Response:
    models = [shown(item) for item in found]
    if not offer.multipart:
        return Response(orjson.dumps(models), HTTPStatus.OK, told, offer.media_type)
    if not models:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=told)
    writer = MultipartWriter(offer.media_type)
    body = b"".join([writer.head({}) + model_xml(model) for model in models]) + writer.end()
    return Response(body, HTTPStatus.OK, {**told, "Content-Type": writer.content_type})


def _named(request: DicomWebRequest, *names: str) -> str:
    """Return a UID that the query names: as the standard writes it, alone, or as a parameter of one of these names."""
    query = request.scope["query_string"].decode("latin-1")
    for part in query.split("&"):
        name, has_value, value = part.partition("=")
        if not has_value and name:
            return unquote(name)[:64]
        if name.lower() in names:
            return unquote(value)[:64]
    return ""


_PARTS: Final = f'multipart/related; type="{_XML.media_type}"'
_KINDS: Final = (_JSON.media_type, _PLAIN_JSON.media_type, _XML.media_type, _PARTS)
_UID: Final = Parameter(
    "workitem", "UID of the work item; the standard writes it alone, as `?1.2.3`. Without one the server makes it."
)
_TRANSACTION: Final = Parameter(
    "transaction-uid", "Transaction UID of who has claimed the work item; the standard writes it alone, as `?1.2.3`."
)
_MATCHING: Final = (
    Parameter("{attribute}", "Match an attribute, named by its keyword or its tag: `PatientID=DEMO-1`."),
    Parameter("includefield", "Accepted; every attribute is returned."),
    Parameter("limit", f"At most so many results, and {MAX_RESULTS}.", {"type": "integer", "minimum": 0}),
    Parameter("offset", "Leave out so many results first.", {"type": "integer", "minimum": 0}),
)
_FAILURES: Final = (400, 404, 409, 413, 415, 507)
_ONE: Final = "/workitems/{workitem}"

RESOURCES: Final = (
    Resource(
        "CreateWorkitem", "POST", "/workitems", _create, "Make a work item", (_UID,), consumes=_CONSUMES,
        statuses=(201, 400, 409, 413, 415, 507),
    ),
    Resource(
        "SearchForWorkitems", "GET", "/workitems", _search, "Find work items", (*_MATCHING, ACCEPT),
        (*_KINDS[:2], _PARTS), statuses=(200, 204, 400, 406, 413),
    ),
    Resource("RetrieveWorkitem", "GET", _ONE, _retrieve, "Retrieve a work item", (ACCEPT,), _KINDS),
    Resource(
        "UpdateWorkitem", "POST", _ONE, _update, "Change attributes of a work item", (_TRANSACTION,),
        consumes=_CONSUMES, statuses=(200, *_FAILURES),
    ),
    Resource(
        "ChangeWorkitemState", "PUT", f"{_ONE}/state", _change_state, "Claim a work item, or end it",
        consumes=_CONSUMES, statuses=(200, *_FAILURES),
    ),
    Resource(
        "RequestWorkitemCancellation", "POST", f"{_ONE}/cancelrequest", _request_cancel,
        "Ask for a work item to be cancelled", consumes=_CONSUMES, statuses=(202, *_FAILURES),
    ),
    Resource(
        "RequestWorkitemCancellationFor", "POST", f"{_ONE}/cancelrequest/{{requester}}", _request_cancel,
        "Ask for a work item to be cancelled, in the name of an AE title", consumes=_CONSUMES,
        statuses=(202, *_FAILURES),
    ),
    Resource(
        "ChangeWorkitemStateFor", "PUT", f"{_ONE}/state/{{requester}}", _change_state,
        "Claim a work item, or end it, in the name of an AE title", consumes=_CONSUMES, statuses=(200, *_FAILURES),
    ),
)  # fmt: skip
