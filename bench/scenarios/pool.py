"""What our client gains by keeping associations for the next small operation."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from archimage.net.conversation import RemoteNode
from archimage.net.pool import AssociationPool
from archimage.protocol.negotiation import PresentationContext
from bench import peers, wire
from bench.figures import OURS, Sample
from bench.harness import Bench
from bench.process import Running

ANEW = f"{OURS}, a new association each"
CONTEXTS = (PresentationContext(1, wire.VERIFICATION, (wire.IMPLICIT_LE,)),)
Start = Callable[[], AbstractContextManager[Running]]


def pool(bench: Bench) -> None:
    """Echo over and over, to archimage and to storescp."""
    count = 50 if bench.quick else 500
    servers: dict[str, Start] = {
        OURS: partial(peers.archimage, bench.work),
        "storescp": partial(peers.storescp, bench.work),
    }
    for name, start in servers.items():
        case = f"C-ECHO to {name}, associations kept by the pool"
        bench.alternate(case, {subject: partial(_measure, case, subject, start, count) for subject in (OURS, ANEW)})


def _measure(case: str, subject: str, start: Start, count: int) -> Iterator[Sample]:
    with start() as server:
        seconds = asyncio.run(_echo(server, count, max_idle=0 if subject == ANEW else 1))
    yield Sample(case, subject, count / seconds, "operations/s")


async def _echo(server: Running, count: int, max_idle: int) -> float:
    node = RemoteNode(server.ae_title, "127.0.0.1", server.port)
    begin = time.perf_counter()
    async with AssociationPool("BENCH", max_idle=max_idle) as lender:
        for _ in range(count):
            async with lender.borrow(node, CONTEXTS) as association:
                await association.echo()
    return time.perf_counter() - begin
