"""WADO-URI: one object, as a DICOM file or as a picture, named by query parameters.

    /wado?requestType=WADO&studyUID=1.2&seriesUID=1.2.3&objectUID=1.2.3.4&contentType=image/jpeg

The service root takes the same parameters (`capabilities`): there clients look that know one address alone.

Ref: PS3.18 §9.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.render.options import ANNOTATIONS, MAX_SIDE, RenderOptions, Viewport
from archimage.errors import InvalidRequestError, NotAcceptableError, NotFoundError
from archimage.model.records import StoredInstance
from archimage.web.dicomweb import found
from archimage.web.dicomweb.answers import not_modified, single
from archimage.web.dicomweb.forms import DICOM, SYNTAXES
from archimage.web.dicomweb.negotiation import ANY_SYNTAX, Choice, Offer, choose
from archimage.web.dicomweb.options import icc_profile, number
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.dicomweb.presentation import under
from archimage.web.dicomweb.rendered import PICTURES, Shown, check_frame, document, pictures, representative_frame
from archimage.web.dicomweb.resources import DicomWebRequest, Parameter, Resource
from archimage.web.dicomweb.transcoded import Slow, answered, percent
from archimage.web.dicomweb.wado import prepared, wanted_form

_ROWS: Final = 0x00280010
_COLUMNS: Final = 0x00280011
_CHARSETS: Final = frozenset({"utf-8", "iso_ir 192", "*"})
_FILE: Final = Offer(DICOM, False, SYNTAXES)


async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, _answer)


def _answer(request: DicomWebRequest) -> ASGIApp | Slow:
    query = request.query
    _check(query)
    instance = _instance(request, "studyUID", "seriesUID", "objectUID")
    kind = request.services.rendering.media_type(instance)
    shown = PICTURES if kind is None else (kind,)
    files_first = kind is not None or request.services.frames.frame_count(instance) != 1
    offers = tuple(Offer(name) for name in shown)
    offer = choose(_wanted(request), None, (_FILE, *offers) if files_first else (*offers, _FILE)).offer
    if offer == _FILE:
        return _file(request, instance)
    if kind is not None:
        _check_charset(request.query, kind)
        return document(request, instance, kind)
    frame = query.integer("frameNumber", default=0, low=1, high=1 << 31)
    check_frame(request, instance, frame or 1)
    options = _options(request, instance)
    return pictures(request, offer, options, [Shown(instance, frame or representative_frame(request, instance))])


def _check(query: Parameters) -> None:
    if query.one("requestType") != "WADO":
        raise InvalidRequestError("requestType is WADO")
    if (query.one("anonymize") or "no") != "no":
        raise NotAcceptableError("objects are not anonymized here: leave anonymize out")


def _check_charset(query: Parameters, kind: str) -> None:
    """Refuse a text in another character set: it goes as it is stored, and XML says itself what it is in."""
    wanted = [name.strip().lower() for name in (query.one("charset") or "utf-8").split(",")]
    if kind.startswith("text/") and not _CHARSETS.intersection(wanted):
        raise NotAcceptableError("texts are not given in another character set: ask for UTF-8, or leave charset out")


def _wanted(request: DicomWebRequest) -> str | None:
    """Return the media types that the client takes: the parameter's, else the header's."""
    wanted = request.query.one("contentType")
    return wanted.replace(" ", "+") if wanted else request.header("accept")


def _instance(request: DicomWebRequest, *names: str) -> StoredInstance:
    """Return the instance that three parameters name."""
    uids = [request.query.one(name) for name in names]
    if not all(uids):
        raise InvalidRequestError(f"{', '.join(names)} are needed")
    study, series, sop = uids
    return request.services.frames.instance(study, series, sop or "")


def _file(request: DicomWebRequest, instance: StoredInstance) -> ASGIApp | Slow:
    asked = request.query.one("transferSyntax") or ""
    if asked not in {"", ANY_SYNTAX, instance.transfer_syntax_uid, *SYNTAXES}:
        raise NotAcceptableError(f"objects are not given in transfer syntax {asked[:64]!r}")
    wanted = wanted_form(instance, (Choice(_FILE, asked),))
    if wanted is None:
        raise NotAcceptableError(f"an object stored in {instance.transfer_syntax_uid} cannot be given in {asked}")
    etag = found.etag((instance,), "file", wanted.syntax, percent(request))
    if (unchanged := not_modified(request, etag)) is not None:
        return unchanged

    def send() -> ASGIApp:
        part = prepared(request, wanted)
        return single(request, part.open, part.content_type, etag)

    return send() if wanted.is_stored else Slow(send)


def _options(request: DicomWebRequest, instance: StoredInstance) -> RenderOptions:
    query = request.query
    annotation = frozenset(query.split("annotation"))
    if not annotation <= ANNOTATIONS:
        raise InvalidRequestError(f"annotation is of {', '.join(sorted(ANNOTATIONS))}")
    center, width = query.one("windowCenter"), query.one("windowWidth")
    if (center is None) != (width is None):
        raise InvalidRequestError("windowCenter and windowWidth go together")
    options = RenderOptions(
        window=None
        if center is None or width is None
        else (number("windowCenter", center), number("windowWidth", width), "LINEAR"),
        viewport=_viewport(request, instance),
        quality=query.integer("imageQuality", default=90, low=1, high=101),
        annotation=annotation,
        icc_profile=icc_profile(query),
    )
    if query.one("presentationUID") is None:
        return options
    state = _instance(request, "studyUID", "presentationSeriesUID", "presentationUID")
    return under(request, state, replace(options, window=None))


def _viewport(request: DicomWebRequest, instance: StoredInstance) -> Viewport | None:
    """Return the size and region that rows, columns and region ask for; either side alone leaves the other free."""
    query = request.query
    rows = query.integer("rows", default=0, low=1, high=MAX_SIDE)
    columns = query.integer("columns", default=0, low=1, high=MAX_SIDE)
    region = query.one("region")
    if not (rows or columns or region):
        return None
    high, wide = _size(request, instance)
    left, top, right, bottom = _region(region) if region else (0.0, 0.0, 1.0, 1.0)
    sw, sh = (right - left) * wide, (bottom - top) * high
    vw = columns or (max(1, round(sw * rows / sh)) if rows else max(1, round(sw)))
    vh = rows or (max(1, round(sh * columns / sw)) if columns else max(1, round(sh)))
    return Viewport(vw, vh, left * wide, top * high, sw, sh)


def _region(text: str) -> Sequence[float]:
    """Parse left, top, right and bottom edge, as fractions of the image."""
    parts = text.split(",")
    edges = [number("region", part) for part in parts] if len(parts) == 4 else [1.0, 1.0, 0.0, 0.0]
    left, top, right, bottom = edges
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InvalidRequestError(f"region = {text[:60]!r} is not left,top,right,bottom, each from 0 to 1")
    return edges


def _size(request: DicomWebRequest, instance: StoredInstance) -> tuple[int, int]:
    """Return rows and columns of an image."""
    sizes = []
    for tag in (_ROWS, _COLUMNS):
        try:
            with request.services.frames.bulk(instance, (tag,)) as value:
                sizes.append(int.from_bytes(value.read(0, 2), "little"))
        except NotFoundError:
            sizes.append(0)
    if not all(sizes):
        raise NotAcceptableError("the image does not say how large it is")
    return sizes[0], sizes[1]


_NEEDED: Final[Mapping[str, str]] = {
    "requestType": "`WADO`.",
    "studyUID": "Study Instance UID.",
    "seriesUID": "Series Instance UID.",
    "objectUID": "SOP Instance UID.",
}
_OPTIONAL: Final[Mapping[str, str]] = {
    "contentType": "Media types to choose from; a picture of a single frame is a JPEG, anything else a DICOM file.",
    "transferSyntax": "Of a DICOM file: a transfer syntax, or `*` for the one it is stored in.",
    "charset": "Character sets of a text, UTF-8 among them; files and pictures have none.",
    "frameNumber": "The frame to show, from 1.",
    "rows": "Height of the picture at most, pixels.",
    "columns": "Width of the picture at most, pixels.",
    "region": "What to show of the image: left, top, right and bottom edge, each from 0 to 1.",
    "windowCenter": "With windowWidth: the window to show it in.",
    "windowWidth": "With windowCenter: the window to show it in.",
    "imageQuality": "Of JPEG, 1 to 100; of a DICOM file in a transfer syntax that may be lossy.",
    "iccprofile": "Colour space of a picture: `no`, `yes`, or that of a name, as for rendered resources.",
    "annotation": "What to write on the picture: `patient`, `technique`, or both with a comma.",
    "presentationUID": "SOP Instance UID of a presentation state to show it under.",
    "presentationSeriesUID": "Series Instance UID of that.",
    "anonymize": "Not offered: `yes` is refused.",
}

RETRIEVE: Final = Resource(
    "RetrieveByURI",
    "GET",
    "/wado",
    _retrieve,
    "Retrieve an object by WADO-URI",
    tuple(Parameter(name, text) for name, text in (*_NEEDED.items(), *_OPTIONAL.items())),
    (*PICTURES, DICOM, "application/pdf", "video/mp4", "video/mpeg"),
    statuses=(200, 206, 304, 400, 404, 406, 416, 503),
    root="",
)

RESOURCES: Final = (RETRIEVE,)
