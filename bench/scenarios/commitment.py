"""Storage commitment: from the request to its result on the same association, for many objects at once."""

import asyncio
import time
import uuid
from collections.abc import Iterator

from archimage.model.commitments import Reference
from archimage.net.client import connect
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import for_services
from archimage.protocol.command import Command, n_action_rq
from archimage.protocol.uids import STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE
from archimage.services import datasets
from archimage.services.commitment_messages import ALL_COMMITTED, request
from bench import archives, data
from bench.data import CT_512K, SMALL_8K, Objects
from bench.figures import OURS, Sample, Target
from bench.harness import Bench
from bench.process import Running
from bench.wire import WireError

_WAIT_S = 60.0


def commitment(bench: Bench) -> None:
    """Ask about 5,000 small objects, and about 400 CT; every byte is read and compared before the result is told."""
    for shape, wanted in ((SMALL_8K, 1.0), (CT_512K, None)):
        objects = bench.objects(shape)
        case = f"commitment of {objects.count} objects of {round(shape.pixel_bytes / 1024)} KB"
        if wanted is not None:
            bench.expect((Target(case, wanted, at_most=True),))
        with archives.holding(OURS, bench.work, archives.by_dimse(objects)) as server:
            bench.alternate(case, {OURS: lambda: _asked(case, objects, server)})  # noqa: B023 - called in here


def _asked(case: str, objects: Objects, server: Running) -> Iterator[Sample]:
    references = [
        Reference(objects.sop_class, data.uid(objects.shape, "instance", number)) for number in range(objects.count)
    ]
    yield Sample(case, server.name, asyncio.run(_ask(server, references)), "s")


async def _ask(server: Running, references: list[Reference]) -> float:
    """Return the seconds from the request to its result; what we encode and decode is not among them."""
    model = request(f"2.25.{uuid.uuid4().int}", references)
    node = RemoteNode(server.ae_title, "127.0.0.1", server.port)
    async with await connect(
        node, calling_ae_title="BENCH", contexts=for_services(STORAGE_COMMITMENT_PUSH)
    ) as association:
        syntax = association.context(STORAGE_COMMITMENT_PUSH).transfer_syntax
        encoded = datasets.encode(model, syntax)
        began = time.perf_counter()
        response = await association.request(STORAGE_COMMITMENT_PUSH, _action, encoded)
        told = await association.requested(_WAIT_S)
        took_s = time.perf_counter() - began
        await association.respond(told)
    if response.command.status or told.command.event_type_id != ALL_COMMITTED:
        raise WireError(f"status {response.command.status}, event {told.command.event_type_id}")
    return took_s


def _action(message_id: int) -> Command:
    return n_action_rq(message_id, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE, 1)
