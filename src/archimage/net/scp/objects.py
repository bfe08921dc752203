"""Query and retrieve of objects without a patient: the roots of `protocol.roots`, by the code of the other roots.

An identifier has no level; every attribute that an object has is matched, and returned.
Ref: PS3.4 §U.4, §X.4, §BB.4, §HH.4, §II.4, §KK.4.
"""

from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from typing import Final

from archimage.errors import OutOfResourcesError
from archimage.model.records import StoredInstance
from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.net.scp.outgoing import Outbound
from archimage.net.scp.query import IDENTIFIER_SYNTAXES, paged
from archimage.net.scp.retrieve import Destinations, retrieving
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.roots import OBJECT_ROOTS
from archimage.protocol.status import Status
from archimage.services.datasets import attribute, encode, made
from archimage.services.identifiers import decode_keys
from archimage.services.modelmatching import parse, selected
from archimage.services.objects import ObjectService

_FINDING: Final = {root.find: root.stored for root in OBJECT_ROOTS}
_RETRIEVING: Final = {uid: root.stored for root in OBJECT_ROOTS for uid in (root.move, root.get)}
_RETRIEVE_AE_TITLE: Final = 0x00080054
_AVAILABILITY: Final = 0x00080056


def finding(objects: ObjectService, max_results: int, executor: Executor) -> ServiceClass:
    """Serve C-FIND; executor runs what blocks."""
    handler = paged(lambda request: _pages(objects, max_results, request), executor)
    return ServiceClass(
        tuple(SupportedContext(uid, IDENTIFIER_SYNTAXES[:2]) for uid in _FINDING),
        {(uid, CommandField.C_FIND_RQ): handler for uid in _FINDING},
    )


def _pages(objects: ObjectService, max_results: int, request: Request) -> Generator[list[Response], None, None]:
    syntax = request.context.transfer_syntax
    wanted = parse(decode_keys(request.identifier, syntax))
    told = made(attribute(_RETRIEVE_AE_TITLE, request.called_ae_title), attribute(_AVAILABILITY, "ONLINE"))
    keys = [one for one in wanted if one.name not in told]
    asked = {one.name: told[one.name] for one in wanted if one.name in told}
    left = max_results
    for page in objects.find(_FINDING[request.context.abstract_syntax], keys):
        if page:
            yield [Response(Status.PENDING, encode(selected(one, keys) | asked, syntax)) for one in page[:left]]
        left -= len(page)
        if left < 0:
            raise OutOfResourcesError(f"more than {max_results} matches; narrow the query")


def retrieval(objects: ObjectService, destinations: Destinations, executor: Executor) -> ServiceClass:
    """Serve C-MOVE and C-GET; objects go out as they came."""

    def select(request: Request) -> Sequence[StoredInstance]:
        keys = decode_keys(request.identifier, request.context.transfer_syntax)
        return objects.select(_RETRIEVING[request.context.abstract_syntax], keys)

    return retrieving(_RETRIEVING, select, destinations, executor, Outbound(objects, executor, None))
