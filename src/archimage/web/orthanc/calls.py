"""What a handler of Orthanc's paths is given, and how it answers."""

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, ParamSpec, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from archimage.errors import ExcessiveRequestError, InvalidRequestError
from archimage.model.attributes import Level
from archimage.model.hashed import Named
from archimage.services.orthanc import OrthancService
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.dicomweb.resources import Threads, WebServices
from archimage.web.management import ApiServices
from archimage.web.marks import NAMED
from archimage.web.responses import ThreadedResponse

MAX_BODY_BYTES: Final = 1 << 20
_MAX_INTEGER: Final = 1 << 59
_OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
_AT_ONCE: Final = 200
"""Members of a list that are made before any is sent: what fails, fails before the answer begins."""
_JSON: Final = "application/json"
_HEADERS: Final = {"Cache-Control": "no-store"}
_NO: Final = frozenset({"false", "0"})

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


@dataclass(frozen=True, slots=True)
class OrthancServices:
    """The use cases that the paths stand on."""

    orthanc: OrthancService
    web: WebServices
    management: ApiServices
    threads: Threads


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method on one path; parameters are those of the query."""

    method: str
    path: str
    handler: "Handler"
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    request: Request
    services: OrthancServices
    parameters: Parameters

    async def run(
        self, work: Callable[Arguments, Returned], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Returned:
        """Do what blocks in a worker thread."""
        return await self.services.threads.quick.run(work, *args, **kwargs)

    async def named(self, level: Level) -> Named:
        """Return what the path names; NotFoundError where that is not kept."""
        found = await self.run(self.services.orthanc.find, level, self.variable("id"))
        self.request.scope[NAMED] = found
        return found

    def variable(self, name: str) -> str:
        """Return a variable of the path."""
        return str(self.request.path_params[name])

    def is_set(self, name: str, *, default: bool = False) -> bool:
        """Tell whether a parameter is given; with no value it counts as true."""
        value = self.parameters.one(name)
        return default if value is None else value.lower() not in _NO

    def integer(self, name: str) -> int | None:
        """Return a parameter that is a number from 0 on, None where it is not given."""
        if self.parameters.one(name) is None:
            return None
        return self.parameters.integer(name, default=0, low=0, high=_MAX_INTEGER)

    async def body(self) -> bytes:
        """Return the body; ExcessiveRequestError where it is longer than any needs to be."""
        pieces, size = [], 0
        async for piece in self.request.stream():
            size += len(piece)
            if size > MAX_BODY_BYTES:
                raise ExcessiveRequestError(f"the body is longer than {MAX_BODY_BYTES} bytes")
            pieces.append(piece)
        return b"".join(pieces)


Handler = Callable[[Call], Awaitable[ASGIApp]]
"""Answers a call, or raises errors of `archimage.errors`."""


def check_parameters(parameters: Parameters, known: Iterable[str]) -> None:
    """Raise InvalidRequestError for a parameter that would be passed over."""
    names = tuple(known)
    for name, _ in parameters.pairs:
        if name not in names:
            raise InvalidRequestError(f"the parameter {name[:40]!r} is not known here: {', '.join(names) or 'none is'}")


def answer(value: object, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(value, option=_OPTIONS), status, _HEADERS, _JSON)


def text(value: str) -> Response:
    """Answer with plain text."""
    return Response(value, 200, _HEADERS, "text/plain")


def listed(call: Call, values: Iterator[object]) -> ASGIApp:
    """Answer with a list, of which no more is held than is being sent; blocks until the first part is made."""
    first = [*islice(values, _AT_ONCE)]
    if len(first) < _AT_ONCE:
        return answer(first)
    headers = {**_HEADERS, "Content-Type": _JSON}
    return ThreadedResponse(_written(chain(first, values)), call.run, headers)


def _written(values: Iterator[object]) -> Generator[bytes, None, None]:
    start = b"["
    while part := [*islice(values, _AT_ONCE)]:
        yield start + b",\n".join(orjson.dumps(one, option=_OPTIONS) for one in part)
        start = b",\n"
    yield b"]"
