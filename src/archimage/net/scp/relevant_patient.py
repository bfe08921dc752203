"""General Relevant Patient Information Query: tells what the archive knows of one patient.

Ref: PS3.4 §Q.2, §Q.4.
"""

import time
from collections.abc import Generator
from concurrent.futures import Executor

from archimage.model.attributes import Level
from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.net.scp.query import paged
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import RELEVANT_PATIENT_GENERAL_FIND
from archimage.services import relevant_patient
from archimage.services.datasets import SYNTAXES, encode
from archimage.services.identifiers import decode_keys
from archimage.services.query import QueryService


def service(queries: QueryService, executor: Executor) -> ServiceClass:
    """Make the service; executor runs what blocks."""
    handler = paged(lambda request: _pages(queries, request), executor)
    return ServiceClass(
        (SupportedContext(RELEVANT_PATIENT_GENERAL_FIND, SYNTAXES),),
        {(RELEVANT_PATIENT_GENERAL_FIND, CommandField.C_FIND_RQ): handler},
    )


def _pages(queries: QueryService, request: Request) -> Generator[list[Response], None, None]:
    """Yield one pending response at most, and have the query counted; blocks, from the first step on."""
    began, syntax = time.monotonic(), request.context.transfer_syntax
    try:
        told = relevant_patient.told_of(queries, decode_keys(request.identifier, syntax))
        if told is not None:
            yield [Response(Status.PENDING, encode(told, syntax))]
    finally:
        queries.meter.query_answered(Level.PATIENT, time.monotonic() - began)
