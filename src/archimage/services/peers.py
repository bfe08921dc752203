"""What people have remote nodes do: answer, tell what they keep, send it, take what is kept here.

What takes long is a job: it is done though this process ends, and tried again where a node does not answer.
"""

from collections.abc import Mapping
from typing import Final

from archimage.errors import InvalidQueryError
from archimage.model.attributes import Level
from archimage.model.ids import check_uid
from archimage.model.jobs import JsonValue, Priority
from archimage.model.peers import Echo, Matches, Wanted
from archimage.model.tasks import Task
from archimage.ports.peer import Peers
from archimage.services.chosen import Chosen, selected
from archimage.services.jobs import JobService
from archimage.services.keys import SHOWN
from archimage.services.nodes import NodeService
from archimage.services.peer_jobs import RETRIEVE, SEND, PeerJobs
from archimage.services.retrieve import RetrieveService

MAX_KEYS: Final = 100
MAX_MATCHES: Final = 10_000


class PeerService:
    """Has nodes asked; all of it blocks."""

    def __init__(self, nodes: NodeService, peers: Peers, retrieve: RetrieveService, jobs: JobService) -> None:
        self._nodes = nodes
        self._peers = peers
        self._retrieve = retrieve
        self._jobs = jobs
        PeerJobs(nodes, peers, retrieve, jobs)

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
        payload: dict[str, JsonValue] = {
            "node": self._nodes.get(ae_title).ae_title,
            "study": wanted.study_instance_uid,
            "series": wanted.series_instance_uid,
            "instances": list(wanted.sop_instance_uids),
        }
        return self._begin(RETRIEVE, f"Retrieve from {ae_title}", payload)

    def send(self, ae_title: str, chosen: Chosen) -> Task:
        """Begin to send what is chosen to a node.

        Raises:
            NotFoundError: there is no such node, or something that is chosen is not kept here.
            InvalidInstanceUIDError: a UID is none.
        """
        node = self._nodes.get(ae_title)
        instances = selected(self._retrieve, chosen)
        objects = len(instances)
        if sum(len(selected(self._retrieve, part)) for part in chosen.parts()) != objects:  # one lies in another
            chosen = Chosen(instances=tuple(instance.sop_instance_uid for instance in instances))
        payload: dict[str, JsonValue] = {
            "node": node.ae_title,
            "studies": list(chosen.studies),
            "series": list(chosen.series),
            "instances": list(chosen.instances),
            "objects": objects,
        }
        return self._begin(SEND, f"Send {objects} objects to {node.ae_title}", payload)

    def _begin(self, kind: str, title: str, payload: dict[str, JsonValue]) -> Task:
        number = self._jobs.submit(kind, title, payload, destination=str(payload["node"]), priority=Priority.HIGH)
        return self._jobs.get(number).as_task()

    def close(self) -> None:
        """End everything that nodes are being asked."""
        self._peers.close()
