"""WADO-RS, metadata: the headers of a study, series or instance in JSON, compressed since they were made, or in XML.

Ref: PS3.18 §10.4.1.1.2, §10.4.4.
"""

import codecs
import json
import re
from collections.abc import Generator, Iterator
from typing import Any, Final

from starlette.types import ASGIApp

from archimage.dicom.xml import model_xml
from archimage.services.metadata import CachedMetadata
from archimage.web.dicomweb.answers import WholeAnswer, not_modified, of_bytes, several
from archimage.web.dicomweb.conditional import WEAK
from archimage.web.dicomweb.negotiation import Offer
from archimage.web.dicomweb.resources import DicomWebRequest, Parameter, Resource
from archimage.web.dicomweb.transcoded import answered
from archimage.web.responses import PIECE_BYTES, ThreadedResponse

_JSON: Final = Offer("application/dicom+json")
_PLAIN_JSON: Final = Offer("application/json")
_XML: Final = Offer("application/dicom+xml", multipart=True)
_OFFERS: Final = (_JSON, _PLAIN_JSON, _XML)
_VARIES: Final = {"Vary": "Accept, Accept-Encoding"}
_CODINGS: Final = re.compile(r"\s*([a-z*-]+)\s*(?:;\s*q\s*=\s*([0-9.]{1,5})\s*)?", re.IGNORECASE)


async def _retrieve(request: DicomWebRequest) -> ASGIApp:
    return await answered(request, _answer)


def _answer(request: DicomWebRequest) -> ASGIApp:
    offer = request.choose(_OFFERS).offer
    metadata = _metadata(request)
    packed = offer != _XML and takes_gzip(request.header("accept-encoding"))
    etag = f'"{metadata.etag}{"-xml" if offer == _XML else "-gzip" if packed else ""}"'
    etag = f"{WEAK}{etag}" if offer.multipart else etag
    if (unchanged := not_modified(request, etag, _VARIES)) is not None:
        return unchanged
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", **_VARIES}
    if offer == _XML:
        parts = (of_bytes(model_xml(model), _XML.media_type) for model in models(metadata.json()))
        return several(request, _XML.media_type, parts, headers)
    headers["Content-Type"] = offer.media_type
    if packed:
        return WholeAnswer((metadata.gzip,), {**headers, "Content-Encoding": "gzip"})
    if metadata.size_bytes <= PIECE_BYTES:
        return WholeAnswer((b"".join(metadata.json()),), headers)
    headers["Content-Length"] = str(metadata.size_bytes)
    return ThreadedResponse(_inflated(metadata), request.run, headers)


def _metadata(request: DicomWebRequest) -> CachedMetadata:
    named, service = request.variables, request.services.metadata
    if "instance" in named:
        return service.instance(named["study"], named["series"], named["instance"])
    if "series" in named:
        return service.series(named["study"], named["series"])
    return service.study(named["study"])


def _inflated(metadata: CachedMetadata) -> Generator[bytes, None, None]:
    yield from metadata.json()


def takes_gzip(accept_encoding: str | None) -> bool:
    """Tell whether a client takes gzip: it says so, and not with a quality of 0 (RFC 9110 §12.5.3)."""
    liked = dict[str, float]()
    for coding in (accept_encoding or "").split(","):
        if (found := _CODINGS.fullmatch(coding)) is not None:
            liked[found[1].lower()] = _quality(found[2])
    return liked.get("gzip", liked.get("x-gzip", liked.get("*", 0.0))) > 0


def _quality(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0


def models(pieces: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON array that comes in pieces, one after the other."""
    texts = codecs.iterdecode(pieces, "utf-8")
    rest, ended = "", False
    while not ended:
        wanted = 2 * len(rest)  # so that a long object is not read again with every piece
        while len(rest) <= wanted and not ended:
            text = next(texts, None)
            ended = text is None
            rest += text or ""
        rest = yield from _decoded(rest)


def _decoded(text: str) -> Generator[dict[str, Any], None, str]:
    """Yield the objects that are whole, each after a bracket or comma; return what is left."""
    decode = json.JSONDecoder().raw_decode
    pos = 0
    while text[pos : pos + 1] in {"[", ","}:
        try:
            model, end = decode(text, pos + 1)
        except ValueError:
            break
        yield model
        pos = end
    return text[pos:]


_INSTANCE: Final = "/studies/{study}/series/{series}/instances/{instance}"
_ADDRESSES: Final = (
    ("RetrieveStudyMetadata", "/studies/{study}", "a study"),
    ("RetrieveSeriesMetadata", "/studies/{study}/series/{series}", "a series"),
    ("RetrieveInstanceMetadata", _INSTANCE, "an object"),
)

RESOURCES: Final = tuple(
    Resource(
        name,
        "GET",
        f"{path}/metadata",
        _retrieve,
        f"Retrieve the attributes of {what}, bulk values by reference",
        (Parameter("accept", "A media type, in place of the Accept header."),),
        (_JSON.media_type, _PLAIN_JSON.media_type, f'multipart/related; type="{_XML.media_type}"'),
        statuses=(200, 304, 400, 404, 406),
    )
    for name, path, what in _ADDRESSES
)
