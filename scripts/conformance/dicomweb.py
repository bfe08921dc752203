"""DICOMweb: the resources of the web side, with what each takes and gives (PS3.18)."""

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TypeVar

from archimage import errors
from archimage.errors import ArchimageError
from archimage.protocol.status import Status
from archimage.services.stow_object import failure_reason
from archimage.web.dicomweb.resources import Parameter, Resource
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.errors import answer_to
from scripts.conformance import networking
from scripts.conformance.markdown import code, paragraph, table

Common = TypeVar("Common", bound=Hashable)

_PARTS = re.compile(r'multipart/related; type="([^"]+)"')

_ELSEWHERE = (
    errors.ProtocolError,
    errors.AssociationError,
    errors.ConfigError,
    errors.MergeConflictError,
    errors.UnknownDestinationError,
    errors.NotAuthorisedError,
    errors.CancelledError,
    errors.DeliveryRefusedError,
    errors.Hl7Error,
    errors.RefusedOperationError,
)
"""Errors that no web request meets."""


def resources() -> Iterator[str]:
    """Yield the resources, their media types, parameters and statuses."""
    yield "## 4 DICOMweb"
    yield paragraph(
        f"""The archive is an origin server of the Studies Service of PS3.18. It is a user agent where rules of
        routing store elsewhere (STOW-RS), and where archives are kept alike (QIDO-RS, WADO-RS of whole studies and of
        single instances as they are stored, STOW-RS; `docs/routing.md`). Each line of the table is a transaction. GET
        answers HEAD as well. The same is told by `/openapi.json`, and by `OPTIONS {RESOURCES[0].root}` (PS3.18 §8.9).
        `docs/dicomweb.md` shows them with their answers."""
    )
    yield "### 4.1 Resources"
    yield table(("method", "address", "does", "statuses", "name"), (_line(found) for found in RESOURCES))
    yield "### 4.2 Media types"
    yield paragraph(
        """*In parts* is `multipart/related` of that type, *alone* a single part. What is given is chosen by `Accept`,
        ranges and `q` included, or by the parameter `accept` in its place; without either it is the first of the list,
        in parts where it can be."""
    )
    yield table(("names", "takes", "gives"), _media_types())
    yield "### 4.3 Query parameters"
    yield from _parameters()
    yield "### 4.4 Status codes"
    yield paragraph(
        """A request that fails is answered with a JSON object: `error` says what is wrong, `next` what to do about it.
        These are the causes:"""
    )
    yield table(("status", "when"), _causes())
    yield paragraph(
        """Beside these, at any address: 400 for a Host that is not this server's or a page of a foreign origin,
        404 where nothing is served, 405 for a method that is not offered there, 431 for a request's head that is too
        large, 503 for too many connections."""
    )
    yield "### 4.5 Failure reasons of objects that are stored"
    yield paragraph(
        """The answer to a STOW-RS request names every object: in Referenced SOP Sequence those that are kept, in
        Failed SOP Sequence those that are not, with a Failure Reason (0008,1197), and in Other Failures Sequence parts
        that are no object. A Warning header says in words why the first one failed."""
    )
    yield table(("reason", "when"), _failure_reasons())


def _line(found: Resource) -> tuple[str, ...]:
    statuses = ", ".join(map(str, found.statuses))
    return found.method, code(address(found)), found.summary, statuses, found.name


def address(found: Resource) -> str:
    """Return where a resource stands, from the root of the server."""
    return f"{found.root}{found.path}".replace(":path}", "}")


def _grouped(pairs: Iterable[tuple[str, Common]]) -> Iterator[tuple[str, Common]]:
    """Yield names with what they have in common, in the order in which they come."""
    groups: dict[Common, list[str]] = {}
    for name, common in pairs:
        groups.setdefault(common, []).append(name)
    for common, names in groups.items():
        yield ", ".join(names), common


def _media_types() -> Iterator[tuple[str, str, str]]:
    kinds = ((found.name, (found.consumes, found.produces)) for found in RESOURCES)
    for names, (consumes, produces) in _grouped(kinds):
        yield names, _kinds(consumes), _kinds(produces)


def _kinds(kinds: Sequence[str]) -> str:
    """List media types by how they come: in the parts of a multipart, or alone."""
    inner = {kind: (found[1] if (found := _PARTS.fullmatch(kind)) else kind) for kind in kinds}
    parts = {one for kind, one in inner.items() if kind != one}
    alone = {one for kind, one in inner.items() if kind == one}
    groups: dict[str, list[str]] = {}
    for one in dict.fromkeys(inner.values()):
        how = "in parts or alone" if one in parts & alone else "in parts" if one in parts else "alone"
        groups.setdefault(how, []).append(code(one))
    return "<br>".join(f"{how}: {', '.join(ones)}" for how, ones in groups.items())


def _parameters() -> Iterator[str]:
    sets: dict[tuple[str, ...], tuple[list[str], tuple[Parameter, ...]]] = {}
    for found in RESOURCES:
        if found.parameters:
            names = tuple(parameter.name for parameter in found.parameters)
            sets.setdefault(names, ([], found.parameters))[0].append(found.name)
    for addresses, parameters in sets.values():
        yield paragraph(", ".join(addresses) + ":")
        yield table(("parameter", "means"), ((code(parameter.name), parameter.description) for parameter in parameters))


def _causes() -> Iterator[tuple[str, str]]:
    """Yield each status with the errors that lead to it."""
    causes: dict[HTTPStatus, list[str]] = {}
    for kind in _leaves(ArchimageError):
        if not issubclass(kind, _ELSEWHERE):
            causes.setdefault(answer_to(kind("")).status, []).append(_told(kind))
    for status in sorted(causes):
        yield f"{status.value} {status.phrase}", " ".join(causes[status])


def _failure_reasons() -> Iterator[tuple[str, str]]:
    others = (
        (errors.InvalidFileError, "The part is not a Part 10 file."),
        (errors.UnsupportedMediaTypeError, "The part is of no media type that is stored."),
        (
            errors.InvalidRequestError,
            "The metadata cannot be read, or refers to a value that the request does not hold.",
        ),
    )
    for cause, when in (*networking.STORE, *others):
        if not isinstance(cause, Status):
            yield code(f"{failure_reason(cause('')):04X}H"), when


def _leaves(kind: type[ArchimageError]) -> Iterator[type[ArchimageError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    if not children:
        yield kind
    for child in children:
        yield from _leaves(child)


def _told(kind: type[ArchimageError]) -> str:
    return " ".join((kind.__doc__ or "").split())
