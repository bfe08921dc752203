"""Three nodes as `deploy/compose` runs them, on free ports of this machine."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.attacks.server import Server, launch, stop
from tests.deploy.balancer import Backends, Balancer, balancing
from tests.hl7.sending import ENABLED, port_of
from tests.servers import postgresql
from tests.servers.seaweedfs import seaweedfs
from tests.tls.keys import Keys, make_keys
from tests.tls.peers import tls_port

NAMES: Final = ("archimage1", "archimage2", "archimage3")
_START_WITHIN_S: Final = 60.0


@dataclass(frozen=True)
class Cluster:
    """Nodes behind a balancer."""

    balancer: Balancer
    nodes: Sequence[Server]
    keys: Keys
    settings: dict[str, str]


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """Run them until the end of the block; those that were not killed must end as they should."""
    keys = make_keys(directory)
    certificate = directory / "haproxy.pem"
    certificate.write_bytes(keys.certificate("server").read_bytes() + keys.key("server").read_bytes())
    with ExitStack() as held:
        database = held.enter_context(postgresql.running(durable=True))
        store = held.enter_context(seaweedfs(directory / "store"))
        settings = keys.settings(
            **ENABLED,
            **{f"{door}__proxy_from": "127.0.0.1" for door in ("dicom", "http", "hl7")},
            **{f"object_store__{name}": value for name, value in store.settings("nodes").items()},
            index__url=database.url,
            object_store__mode="write-through",
        )
        nodes = [held.enter_context(node(directory, name, settings)) for name in NAMES]
        balancer = held.enter_context(balancing(directory, [backends_of(one) for one in nodes], certificate))
        balancer.wait_until_up(len(nodes))
        yield Cluster(balancer, nodes, keys, settings)


@contextmanager
def node(directory: Path, name: str, settings: dict[str, str]) -> Iterator[Server]:
    """Run a node with a directory of its own."""
    server = launch(directory / name / "data", settings={**settings, "node__name": name})
    try:
        server.wait_until_ready(_START_WITHIN_S)
        yield server
    finally:
        is_killed = server.process.poll() is not None
        code = stop(server)
    assert is_killed or code == 0, server.log


def backends_of(server: Server) -> Backends:
    """Tell where a node listens."""
    return Backends({11112: server.port, 2762: tls_port(server), 2575: port_of(server), 8042: server.http_port})
