"""What people have remote nodes do: answer, tell what they keep, send it, take what is kept here.

What takes long is a task in the background.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, cast

from archimage.errors import InvalidQueryError, NotFoundError
from archimage.model.attributes import Level
from archimage.model.ids import check_uid
from archimage.model.peers import Echo, Matches, Transfer, Wanted
from archimage.model.records import StoredInstance
from archimage.model.tasks import Task
from archimage.ports.peer import Peers, Progress
from archimage.ports.pixels import JsonValue
from archimage.services.identifiers import Identifier, Key
from archimage.services.keys import SHOWN
from archimage.services.nodes import NodeService
from archimage.services.query import Root
from archimage.services.retrieve import RetrieveService
from archimage.services.tasks import TaskService

MAX_KEYS: Final = 100
MAX_MATCHES: Final = 10_000
_STUDY, _SERIES, _INSTANCE = 0x0020000D, 0x0020000E, 0x00080018


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to send: whole studies, whole series, and single instances, by their UIDs."""

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()


class PeerService:
    """Has nodes asked; all of it blocks."""

    def __init__(self, nodes: NodeService, peers: Peers, retrieve: RetrieveService, tasks: TaskService) -> None:
        self._nodes = nodes
        self._peers = peers
        self._retrieve = retrieve
        self._tasks = tasks

    def echo(self, ae_title: str) -> Echo:
        """Ask whether a node answers.

        Raises:
            NotFoundError: there is no such node.
            PeerFailedError: it does not answer as it should; the message says where, what and why.
        """
        return self._peers.echo(self._nodes.get(ae_title))

    def query(self, ae_title: str, level: Level, keys: Mapping[str, str], limit: int) -> Matches:
        """Ask what a node keeps; what is usual at the level is asked for too.

        Raises:
            NotFoundError: there is no such node.
            InvalidQueryError: a key is no attribute, or its value does not fit it.
            PeerFailedError: it does not answer as it should.
        """
        if len(keys) > MAX_KEYS:
            raise InvalidQueryError(f"more than {MAX_KEYS} keys")
        asked = dict.fromkeys(SHOWN[level], "") | dict(keys)
        return self._peers.find(self._nodes.get(ae_title), level, tuple(asked.items()), min(limit, MAX_MATCHES))

    def retrieve(self, ae_title: str, wanted: Wanted) -> Task:
        """Begin to bring what is wanted from a node into this archive.

        Raises:
            NotFoundError: there is no such node.
            InvalidInstanceUIDError: a UID is none.
            InvalidQueryError: instances are wanted of no series.
        """
        above = (wanted.series_instance_uid,) if wanted.series_instance_uid else ()
        for uid in (wanted.study_instance_uid, *above, *wanted.sop_instance_uids):
            check_uid(uid)
        if wanted.sop_instance_uids and not wanted.series_instance_uid:
            raise InvalidQueryError("instances are retrieved from one series: name it too")
        node = self._nodes.get(ae_title)

        def work(progress: Progress) -> JsonValue:
            return _told(self._peers.retrieve(node, wanted, progress))

        return self._tasks.start("retrieve", f"Retrieve from {node.ae_title}", work)

    def send(self, ae_title: str, chosen: Chosen) -> Task:
        """Begin to send what is chosen to a node.

        Raises:
            NotFoundError: there is no such node, or something that is chosen is not kept here.
            InvalidInstanceUIDError: a UID is none.
        """
        node = self._nodes.get(ae_title)
        instances = selected(self._retrieve, chosen)

        def work(progress: Progress) -> JsonValue:
            return _told(self._peers.send(node, instances, progress))

        return self._tasks.start("send", f"Send {len(instances)} objects to {node.ae_title}", work)

    def close(self) -> None:
        """End everything that nodes are being asked."""
        self._peers.close()


def selected(retrieve: RetrieveService, chosen: Chosen) -> Sequence[StoredInstance]:
    """Return every chosen instance once.

    Raises:
        NotFoundError: something that is chosen is not kept here.
        InvalidQueryError: nothing is chosen.
    """
    found: dict[str, StoredInstance] = {}
    for level, tag, uid in _keys(chosen):
        below = retrieve.select(Root.STUDY, Identifier(level, (Key(tag, "UI", check_uid(uid)),)))
        if not below:
            raise NotFoundError(f"nothing is kept here under the UID {uid}")
        found |= {instance.sop_instance_uid: instance for instance in below}
    if not found:
        raise InvalidQueryError("nothing is chosen: name studies, series or instances")
    return tuple(found.values())


def _keys(chosen: Chosen) -> Iterator[tuple[Level, int, str]]:
    for level, tag, uids in (
        (Level.STUDY, _STUDY, chosen.studies),
        (Level.SERIES, _SERIES, chosen.series),
        (Level.IMAGE, _INSTANCE, chosen.instances),
    ):
        yield from ((level, tag, uid) for uid in uids)


def _told(transfer: Transfer) -> JsonValue:
    told = asdict(transfer)
    del told["failed_uids"]  # there may be many; the reasons of the first tell enough
    return cast("JsonValue", told)
