"""A node as an archive that ours is compared with."""

from collections.abc import Sequence

from archimage.model.nodes import Node
from archimage.model.peers import Matches, Transfer, Wanted
from archimage.model.records import StoredInstance
from archimage.ports.peer import Peers, Progress


class NodeArchive:
    """Implements `ports.peer.Elsewhere` by DIMSE."""

    def __init__(self, node: Node, peers: Peers) -> None:
        self._node = node
        self._peers = peers

    @property
    def name(self) -> str:
        """Its AE title."""
        return self._node.ae_title

    def find(self, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:
        """Ask what it keeps."""
        return self._peers.find(self._node, level, keys, limit)

    def retrieve(self, wanted: Wanted, progress: Progress) -> Transfer:
        """Have it send what is wanted."""
        return self._peers.retrieve(self._node, wanted, progress)

    def send(self, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        """Send it instances."""
        return self._peers.send(self._node, instances, progress)
