"""What the services need to know and to ask of other nodes, as protocols; adapters live in `index` and `net`."""

from collections.abc import Sequence
from typing import Protocol

from archimage.model.associations import EndedAssociation, OpenAssociation
from archimage.model.nodes import Node
from archimage.model.peers import Echo, Matches, Transfer, Wanted
from archimage.model.records import StoredInstance


class Nodes(Protocol):
    """Keeps the remote nodes that were entered at run time, for every process; what returns is durable."""

    def all(self) -> Sequence[Node]:
        """Return all, by AE title."""

    def get(self, ae_title: str) -> Node | None:
        """Return the node of an AE title, or None."""

    def count(self) -> int:
        """Count them."""

    def add(self, added: Node) -> bool:
        """Keep a node; False where its AE title is taken."""

    def change(self, ae_title: str, changed: Node) -> bool:
        """Put changed, but for when it was created, in the place of the node of an AE title.

        False where that is not there, or the new AE title is taken.
        """

    def remove(self, ae_title: str) -> bool:
        """Forget a node; False where it is not there."""


class Progress(Protocol):
    """Hears how far something is, from any thread; raises CancelledError once it is to end."""

    def check(self) -> None:
        """Raise CancelledError if it is to end."""

    def tell(self, done: int, total: int = 0, message: str = "") -> None:
        """Say how far it is, total 0 where that is not known; raises what `check` raises."""


class Elsewhere(Protocol):
    """One other archive, whichever way it is reached; every method blocks, and raises as those of `Peers` do."""

    @property
    def name(self) -> str:
        """What it goes by."""

    def find(self, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:
        """Ask what it keeps, at most limit matches; below studies, with the unique keys of the levels above."""

    def retrieve(self, wanted: Wanted, progress: Progress) -> Transfer:
        """Bring what is wanted into this archive."""

    def send(self, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        """Send it instances."""


class Peers(Protocol):
    """Asks remote nodes. Every method blocks.

    Each raises PeerFailedError, which names the node, what failed, and the next step; and CancelledError once `close`
    was called or progress wants the end.
    """

    def echo(self, node: Node) -> Echo:
        """Ask whether a node answers, and what it offers (C-ECHO)."""

    def find(self, node: Node, level: str, keys: Sequence[tuple[str, str]], limit: int) -> Matches:
        """Ask what a node keeps (C-FIND), at most limit matches; InvalidQueryError where a key is none."""

    def retrieve(self, node: Node, wanted: Wanted, progress: Progress) -> Transfer:
        """Have a node send what is wanted into this archive: by C-GET, and where that does not work by C-MOVE."""

    def send(self, node: Node, instances: Sequence[StoredInstance], progress: Progress) -> Transfer:
        """Send instances to a node (C-STORE), transcoded where it does not take them as they are stored."""

    def close(self) -> None:
        """End everything that is being done."""


class Associations(Protocol):
    """The associations that peers have with this process; nothing of it blocks."""

    def all(self) -> Sequence[OpenAssociation]:
        """Return the open associations, the oldest first."""

    def ended_lately(self) -> Sequence[EndedAssociation]:
        """Return the associations that ended last, the newest first."""

    def abort(self, association_id: str) -> None:
        """Send A-ABORT; NotFoundError where none of this id is open."""
