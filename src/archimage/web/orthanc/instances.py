"""What instances hold: their files, data sets, single values and pictures."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from starlette.types import ASGIApp

from archimage.dicom.bulk import BulkPath
from archimage.dicom.dictionary import keyword_of_tag
from archimage.dicom.elements import iter_elements
from archimage.dicom.plain import PlainElement, plain_elements
from archimage.errors import ExcessiveRequestError, InvalidRequestError, NotFoundError
from archimage.model.attributes import Level
from archimage.model.records import StoredInstance
from archimage.services.orthanc import tag_of
from archimage.web.dicomweb import found
from archimage.web.dicomweb.answers import single
from archimage.web.dicomweb.resources import DicomWebRequest
from archimage.web.orthanc.calls import Call, Endpoint, OrthancServices, answer, text
from archimage.web.orthanc.delegating import delegated, dicomweb_request
from archimage.web.orthanc.describing import LONGEST_TEXT, moment

MAX_HEADER_BYTES: Final = 8 << 20
_STORED: Final = 'application/dicom; transfer-syntax="*"'
_BYTES: Final = "application/octet-stream"
_PICTURES: Final = ("image/png", "image/jpeg")


async def _stored(call: Call) -> StoredInstance:
    named = await call.named(Level.IMAGE)
    return await call.run(call.services.web.frames.instance, *named.names[1:])


async def _file(call: Call) -> ASGIApp:
    return await delegated(call, "RetrieveInstance", await call.named(Level.IMAGE), _STORED)


async def _preview(call: Call) -> ASGIApp:
    named = await call.named(Level.IMAGE)
    return await delegated(call, "RetrieveRenderedInstance", named, _picture(call))


async def _frame_preview(call: Call) -> ASGIApp:
    named = await call.named(Level.IMAGE)
    number = str(_number(call.variable("frame")) + 1)
    return await delegated(call, "RetrieveRenderedFrames", named, _picture(call), frames=number)


def _picture(call: Call) -> str:
    """Choose between the pictures that Orthanc has, PNG where the client has no other wish."""
    wanted = call.request.headers.get("accept", "")
    return _PICTURES[1] if _PICTURES[1] in wanted and _PICTURES[0] not in wanted else _PICTURES[0]


async def _frames(call: Call) -> ASGIApp:
    instance = await _stored(call)
    return answer([*range(await call.run(call.services.web.frames.frame_count, instance))])


async def _tags(call: Call) -> ASGIApp:
    form = _simple if call.is_set("simplify") else _short if call.is_set("short") else _full
    elements = await call.run(data_set, call.services, await _stored(call))
    return answer(form(elements))


async def _simplified_tags(call: Call) -> ASGIApp:
    return answer(_simple(await call.run(data_set, call.services, await _stored(call))))


def data_set(services: OrthancServices, instance: StoredInstance) -> Sequence[PlainElement]:
    """Read a data set without its pixels; blocks.

    Raises:
        ExcessiveRequestError: it is larger than anybody would look at.
    """
    frames, syntax = services.web.frames, instance.transfer_syntax_uid
    header, pixel, trailer = frames.header(instance), frames.pixel(instance), frames.trailer(instance)
    if len(header) + len(trailer) > MAX_HEADER_BYTES:
        raise ExcessiveRequestError(f"the data set has {len(header)} bytes beside its pixels; get the file")
    elements = [*plain_elements(iter_elements(header, syntax))]
    if pixel is not None:
        elements.append(PlainElement(pixel.tag, keyword_of_tag(pixel.tag)))
    return [*elements, *plain_elements(iter_elements(trailer, syntax))]


def _full(elements: Sequence[PlainElement]) -> dict[str, object]:
    return {_name(element.tag, ","): _entry(element) for element in elements}


def _entry(element: PlainElement) -> dict[str, object]:
    kind = "Sequence" if element.items is not None else "Null" if element.text is None else "String"
    value: object = element.text
    if element.items is not None:
        value = [_full(item) for item in element.items]
    elif element.text is not None and len(element.text) > LONGEST_TEXT:
        kind, value = "TooLong", None
    creator = {"PrivateCreator": element.creator} if element.creator else {}
    return {"Name": element.keyword or "Unknown Tag & Data", **creator, "Type": kind, "Value": value}


def _short(elements: Sequence[PlainElement]) -> dict[str, object]:
    return {_name(element.tag, ","): _value(element, _short) for element in elements}


def _simple(elements: Sequence[PlainElement]) -> dict[str, object]:
    return {element.keyword or _name(element.tag, ","): _value(element, _simple) for element in elements}


def _value(element: PlainElement, form: Callable[[Sequence[PlainElement]], dict[str, object]]) -> object:
    if element.items is not None:
        return [form(item) for item in element.items]
    return None if element.text is None or len(element.text) > LONGEST_TEXT else element.text


def _name(tag: int, separator: str) -> str:
    return f"{tag >> 16:04x}{separator}{tag & 0xFFFF:04x}"


async def _content(call: Call) -> ASGIApp:
    """Answer with the names of the elements, of an item or the items of a sequence, or with the bytes of a value."""
    named = await call.named(Level.IMAGE)
    instance = await call.run(call.services.web.frames.instance, *named.names[1:])
    steps = [step for step in call.request.path_params.get("path", "").split("/") if step]
    path = tuple(tag_of(step) if index % 2 == 0 else _number(step) for index, step in enumerate(steps))
    elements = await call.run(data_set, call.services, instance)
    located = _located(elements, path)
    if not isinstance(located, PlainElement):
        return answer([_name(one.tag, "-") for one in located])
    if located.items is not None:
        return answer([str(number) for number in range(len(located.items))])
    request = dicomweb_request(call, "RetrieveInstance", named)
    return await call.run(_raw, request, instance, path)


def _located(elements: Sequence[PlainElement], path: Sequence[int]) -> PlainElement | Sequence[PlainElement]:
    """Follow a path of a tag, an item's number, a tag; return where it leads, to an element or those of an item."""
    located: PlainElement | Sequence[PlainElement] | None = elements
    for index, step in enumerate(path):
        if index % 2 == 0:
            located = next((one for one in elements if one.tag == step), None)
        elif isinstance(located, PlainElement):
            located = elements = dict(enumerate(located.items or ())).get(step, ())
        if not located:
            raise NotFoundError("the instance has no such element")
    return located or ()


def _raw(request: DicomWebRequest, instance: StoredInstance, path: tuple[int, ...]) -> ASGIApp:
    bulk: BulkPath = tuple(part + index % 2 for index, part in enumerate(path))  # items there count from 1
    open_value = partial(request.services.frames.bulk, instance, bulk)
    return single(request, open_value, _BYTES, found.etag((instance,), path))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequestError(f"{text[:40]!r} is no number")
    return int(text)


async def _metadata(call: Call) -> ASGIApp:
    told = await _archived_facts(call)
    return answer(told if call.is_set("expand") else [*told])


async def _one_metadata(call: Call) -> ASGIApp:
    told = await _archived_facts(call)
    name = call.variable("name")
    if name not in told:
        raise NotFoundError(f"there is no such metadata: {', '.join(told)}")
    return text(told[name])


async def _archived_facts(call: Call) -> dict[str, str]:
    named = await call.named(Level.IMAGE)
    instance = await call.run(call.services.web.frames.instance, *named.names[1:])
    _, received = await call.run(call.services.orthanc.extent, named)
    return {
        "ReceptionDate": moment(received),
        "SopClassUid": instance.sop_class_uid,
        "TransferSyntax": instance.transfer_syntax_uid,
    }


_ONE: Final = "/instances/{id}"
ENDPOINTS: Final = (
    Endpoint("GET", f"{_ONE}/file", _file),
    Endpoint("GET", f"{_ONE}/tags", _tags, ("simplify", "short")),
    Endpoint("GET", f"{_ONE}/simplified-tags", _simplified_tags),
    Endpoint("GET", f"{_ONE}/content", _content),
    Endpoint("GET", f"{_ONE}/content/{{path:path}}", _content),
    Endpoint("GET", f"{_ONE}/metadata", _metadata, ("expand",)),
    Endpoint("GET", f"{_ONE}/metadata/{{name}}", _one_metadata),
    Endpoint("GET", f"{_ONE}/preview", _preview),
    Endpoint("GET", f"{_ONE}/frames", _frames),
    Endpoint("GET", f"{_ONE}/frames/{{frame}}/preview", _frame_preview),
)
