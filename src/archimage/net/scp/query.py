"""Query/Retrieve FIND: answers C-FIND page by page, as the index gives them.

Ref: PS3.4 §C.4.1, §C.6.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from archimage.net.dispatch import Handler, Request, Response, ServiceClass
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    PATIENT_ROOT_FIND,
    PATIENT_STUDY_ONLY_FIND,
    STUDY_ROOT_FIND,
)
from archimage.services.identifiers import decode_identifier
from archimage.services.query import Find, QueryOptions, QueryService, Root
from archimage.services.responses import ResponseEncoder

IDENTIFIER_SYNTAXES: Final = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
"""Transfer syntaxes in which identifiers are understood, the preferred first."""

_ROOTS: Final[Mapping[str, Root]] = MappingProxyType(
    {
        PATIENT_ROOT_FIND: Root.PATIENT,
        STUDY_ROOT_FIND: Root.STUDY,
        PATIENT_STUDY_ONLY_FIND: Root.PATIENT_STUDY_ONLY,
    }
)


EXTENDED: Final = b"\1\1\1\0"
"""Relational queries, combined date and time, fuzzy names; no timezone adjustment. Ref: PS3.4 §C.5.1.1."""

Answers = Callable[[Request], Generator[list[Response], None, None]]


def service(queries: QueryService, executor: Executor) -> ServiceClass:
    """Make the service; executor runs what blocks."""
    handler = paged(lambda request: _pages(queries, request), executor)
    return ServiceClass(
        tuple(SupportedContext(uid, IDENTIFIER_SYNTAXES) for uid in _ROOTS),
        {(uid, CommandField.C_FIND_RQ): handler for uid in _ROOTS},
        extended=dict.fromkeys(_ROOTS, EXTENDED),
    )


def paged(answers: Answers, executor: Executor) -> Handler:
    """Make the handler of a C-FIND from what yields its pending responses in pages, and may block."""

    async def handle(request: Request) -> AsyncGenerator[Response, None]:
        """Yield a page's responses while the next page is being made."""
        loop = asyncio.get_running_loop()
        pages = answers(request)
        coming = loop.run_in_executor(executor, next, pages, ())
        try:
            while page := await asyncio.shield(coming):
                coming = loop.run_in_executor(executor, next, pages, ())
                for response in page:
                    if request.cancelled.is_set():
                        yield Response(Status.CANCEL)
                        return
                    yield response
            yield Response(Status.CANCEL if request.cancelled.is_set() else Status.SUCCESS)
        finally:
            # Whatever ended this, the thread has to be out of the generator before it is closed.
            await asyncio.gather(coming, return_exceptions=True)
            await loop.run_in_executor(executor, pages.close)

    return handle


def _pages(queries: QueryService, request: Request) -> Generator[list[Response], None, None]:
    """Yield pending responses in pages, and have the query counted; blocks, from the first step on."""
    began = time.monotonic()
    level = ""
    try:
        find = _find(queries, request)
        level = find.query.level
        yield from _found(queries, find, request)
    finally:
        queries.meter.query_answered(level, time.monotonic() - began)


def _find(queries: QueryService, request: Request) -> Find:
    identifier = decode_identifier(request.identifier, request.context.transfer_syntax)
    find = queries.prepare(_ROOTS[request.context.abstract_syntax], identifier, options_of(request.extended))
    return replace(find, query=queries.reviewed("C-FIND", find.query))


def _found(queries: QueryService, find: Find, request: Request) -> Iterator[list[Response]]:
    transfer_syntax_uid = request.context.transfer_syntax
    encoder = ResponseEncoder(find, transfer_syntax_uid, request.called_ae_title)
    status = Status.PENDING_WITH_UNSUPPORTED_KEYS if find.unsupported else Status.PENDING
    for page in queries.pages(find.query):
        if page:
            yield [Response(status, encoder.encode(row)) for row in page]


def options_of(extended: bytes) -> QueryOptions:
    """Read the flags that were agreed on."""
    flags = [bool(flag) for flag in extended.ljust(len(EXTENDED), b"\0")]
    return QueryOptions(combined_date_time=flags[1], fuzzy_names=flags[2])
