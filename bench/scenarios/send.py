"""Sending: `archimage store` beside storescu, into the same storescp.

Both with what they do when nothing else is said: `archimage store` over four associations, storescu over one. That of
`archimage store --jobs 1` stands beside them.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import clients, peers
from bench.data import CT_512K, Objects, Shape
from bench.figures import Sample, Target
from bench.harness import Bench
from bench.process import Running

Sender = Callable[[Running, Sequence[Path]], float]
ONE = Shape("one-8k", 1, 60)


def archimage_store(server: Running, folders: Sequence[Path], *options: str) -> float:
    """Send folders with our own command."""
    return clients.timed(
        [[*peers.ARCHIMAGE_COMMAND, "store", "127.0.0.1", str(server.port), *map(str, folders),
          "-aec", server.ae_title, *options, "--json"]]
    )  # fmt: skip


def archimage_one(server: Running, folders: Sequence[Path]) -> float:
    """Send folders with our own command over one association."""
    return archimage_store(server, folders, "--jobs", "1")


def storescu(server: Running, folders: Sequence[Path]) -> float:
    """Send folders with storescu over one association."""
    return clients.storescu(server, folders, 1)


def send(bench: Bench) -> None:
    """Send 512 KB CT; the start-up of a command is what it takes to send one small object."""
    objects, one = bench.objects(CT_512K), bench.objects(ONE)
    whole, net = "sending 512 KB CT to storescp, whole command", "sending 512 KB CT to storescp, less start-up"
    bench.expect((Target(whole, 1.0, "storescu"), Target(net, 1.0, "storescu")))
    senders: dict[str, Sender] = {
        "archimage": archimage_store,
        "storescu": storescu,
        "archimage, 1 assoc.": archimage_one,
    }
    bench.alternate(
        "sending 512 KB CT to storescp",
        {
            name: partial(_measure, bench.work, (whole, net), name, sender, (objects, one))
            for name, sender in senders.items()
        },
    )


def _measure(
    work: Path, cases: tuple[str, str], name: str, sender: Sender, sets: tuple[Objects, Objects]
) -> Iterator[Sample]:
    objects, one = sets
    with peers.storescp(work) as server:
        start_up = sender(server, one.groups)
        objects.warm()
        seconds = sender(server, objects.groups)
    yield Sample(cases[0], name, objects.count / seconds, "objects/s")
    yield Sample(cases[1], name, objects.count / (seconds - start_up), "objects/s")
