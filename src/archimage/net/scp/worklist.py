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
from archimage.model.query import Exact, Universal
from archimage.model.worklist import WORKLIST_LEVEL
from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.net.scp.query import EXTENDED, options_of, paged
from archimage.ports.meter import Meter
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
_BINARY: Final = frozenset({"US", "SS", "UL", "SL"})


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
    keys = _emptied(decode_keys(request.identifier, syntax))
    supported = _supported(keys)
    asked = parse(supported)
    wanted = _at_station(asked, request.calling_ae_title) if answers.own_station else asked
    status = Status.PENDING if supported == keys else Status.PENDING_WITH_UNSUPPORTED_KEYS
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


def _emptied(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Take a binary number of 0 for an empty value, which is what it is to some toolkits (dcmjs asks so)."""
    return tuple(
        replace(
            key,
            value="" if key.vr in _BINARY and key.value == "0" else key.value,
            items=tuple(_emptied(item) for item in key.items),
        )
        for key in keys
    )


def _supported(keys: Iterable[Key]) -> tuple[Key, ...]:
    """Leave out what is not matched: private keys, what is neither text nor number, further items of a sequence."""
    return tuple(
        replace(key, items=tuple(_supported(item) for item in key.items[:1]))
        for key in keys
        if not key.tag >> 16 & 1 and key.vr not in UNMATCHED
    )
