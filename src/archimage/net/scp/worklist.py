"""Modality Worklist: tells modalities what is scheduled, page by page.

Every public key is matched and returned, at whatever depth: entries are kept whole.
Ref: PS3.4 §K.4, §K.6.1.2, Table K.6-1.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final

from archimage.errors import OutOfResourcesError
from archimage.meter_ports import Meter
from archimage.model.query import Exact, Universal
from archimage.model.worklist import WORKLIST_LEVEL
from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.net.scp.query import EXTENDED, options_of, paged
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import MODALITY_WORKLIST_FIND
from archimage.services.datasets import SYNTAXES, encode
from archimage.services.identifiers import Key, decode_keys
from archimage.services.modelmatching import UNMATCHED, Wanted, parse, selected
from archimage.services.worklist import WorklistService
from archimage.services.worklist_entries import STATIONS, STEPS

_STEPS: Final = f"{STEPS:08X}"
_STATIONS: Final = f"{STATIONS:08X}"


@dataclass(frozen=True, slots=True)
class WorklistAnswers:
    """How much is told at most, whether a modality that names no station is told of its own, and who counts."""

    max_results: int
    own_station: bool
    meter: Meter


def service(worklist: WorklistService, answers: WorklistAnswers, executor: Executor) -> ServiceClass:
    """Make the service; executor runs what blocks."""
    handler = paged(lambda request: _pages(worklist, answers, request), executor)
    return ServiceClass(
        (SupportedContext(MODALITY_WORKLIST_FIND, SYNTAXES),),
        {(MODALITY_WORKLIST_FIND, CommandField.C_FIND_RQ): handler},
        extended={MODALITY_WORKLIST_FIND: EXTENDED},
    )


def _pages(
    worklist: WorklistService, answers: WorklistAnswers, request: Request
) -> Generator[list[Response], None, None]:
    """Yield pending responses in pages, and have the query counted; blocks, from the first step on."""
    began = time.monotonic()
    try:
        yield from _found(worklist, answers, request)
    finally:
        answers.meter.query_answered(WORKLIST_LEVEL, time.monotonic() - began)


def _found(worklist: WorklistService, answers: WorklistAnswers, request: Request) -> Iterator[list[Response]]:
    syntax, options = request.context.transfer_syntax, options_of(request.extended)
    keys = decode_keys(request.identifier, syntax)
    asked = parse(keys)
    wanted = _at_station(asked, request.calling_ae_title) if answers.own_station else asked
    status = Status.PENDING if all(map(_is_supported, keys)) else Status.PENDING_WITH_UNSUPPORTED_KEYS
    left = answers.max_results
    for page in worklist.find(wanted, fuzzy=options.fuzzy_names, combined=options.combined_date_time):
        yield [Response(status, encode(selected(item.model, asked), syntax)) for item in page[:left]]
        left -= len(page)
        if left < 0:
            raise OutOfResourcesError(f"more than {answers.max_results} matches; narrow the query")


def _at_station(wanted: tuple[Wanted, ...], ae_title: str) -> tuple[Wanted, ...]:
    """Add a key for a station, where none is asked for."""
    steps = next((one for one in wanted if one.name == _STEPS), Wanted(_STEPS, "SQ", Universal(), ()))
    inner = steps.inner or ()
    if any(one.name == _STATIONS and not one.is_universal for one in inner):
        return wanted
    others = (one for one in inner if one.name != _STATIONS)
    step = replace(steps, inner=(*others, Wanted(_STATIONS, "AE", Exact(ae_title))))
    return (*(one for one in wanted if one.name != _STEPS), step)


def _is_supported(key: Key) -> bool:
    """Tell whether a key is matched: private ones and what is no text or number are not, nor are further items."""
    if key.tag >> 16 & 1 or key.vr in UNMATCHED:
        return False
    return len(key.items) < 2 and _are_supported(key.items)


def _are_supported(items: Iterable[tuple[Key, ...]]) -> bool:
    return all(_is_supported(inner) for item in items for inner in item)
