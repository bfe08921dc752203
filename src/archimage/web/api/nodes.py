"""`/api/v1/nodes`: remote nodes, and what they are asked for.

What stands in the settings is listed too, and cannot be changed here. Retrieving and sending are tasks.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.attributes import Level
from archimage.model.commitments import Commitment
from archimage.model.nodes import Node
from archimage.model.peers import Echo, Matches, Wanted
from archimage.model.tasks import Task
from archimage.services.chosen import Chosen
from archimage.services.peers import MAX_KEYS, MAX_MATCHES
from archimage.web.api.resources import Services, failing
from archimage.web.management import ROOT

MAX_UIDS: Final = 1_000

AETitle = Annotated[str, Path(description="AE title of the node.", max_length=64)]
UID = Annotated[str, Field(max_length=64, examples=["1.2.840.113619.2.1.1"])]
UIDs = Annotated[list[UID], Field(max_length=MAX_UIDS)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NodeEntry(_Body):
    """A node as it is entered."""

    ae_title: str = Field(description="1 to 16 printable ASCII characters, no backslash.", examples=["WORKSTATION"])
    host: str = Field(description="Host name or IP address.", examples=["192.0.2.7"])
    port: int = Field(description="TCP port, 1 to 65535.", examples=[104])
    description: str = Field(default="", description="Whatever helps to tell it from others; one line.")
    tls: bool = Field(default=False, description="Call it with TLS; its certificate must name `host`.")

    deidentify: str = Field(
        default="",
        max_length=64,
        description="Project for which all that is sent there is de-identified; empty: it goes as it is.",
        examples=["lung-trial"],
    )
    deidentify_options: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=16, description="Options of the profile that are asked for then, by name."
    )

    @property
    def node(self) -> Node:
        """The node."""
        options = tuple(self.deidentify_options)
        entered = Node(self.ae_title, self.host, self.port, self.description, self.tls)
        return replace(entered, deidentify=self.deidentify, deidentify_options=options)


class NodeQuery(_Body):
    """What is looked for."""

    level: Level = Field(default=Level.STUDY, description="Query/Retrieve level.")
    keys: dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=1_024)]] = Field(
        default={},
        max_length=MAX_KEYS,
        description="Keyword, tag (`gggg,eeee`) or path to what must match; an empty text only asks for the attribute.",
        examples=[{"PatientName": "DOE*", "StudyDate": "20240101-"}],
    )
    limit: int = Field(default=200, ge=1, le=MAX_MATCHES, description="How many matches are wanted at the most.")


class RetrieveRequest(_Body):
    """What is wanted: a study, one series of it, or instances of that series."""

    study_instance_uid: UID
    series_instance_uid: UID = ""
    sop_instance_uids: UIDs = Field(default=[])


class SendRequest(_Body):
    """What is sent: whole studies, whole series, and single instances, by their UIDs."""

    studies: UIDs = Field(default=[])
    series: UIDs = Field(default=[])
    instances: UIDs = Field(default=[])


def list_nodes(services: Services) -> Sequence[Node]:
    """List every node, by AE title; `source` tells those of the settings, which cannot be changed here."""
    return services.nodes.all()


def get_node(ae_title: AETitle, services: Services) -> Node:
    """Tell one node."""
    return services.nodes.get(ae_title)


def add_node(entry: NodeEntry, services: Services, response: Response) -> Node:
    """Add a node; at once it is a destination of C-MOVE too, in every process."""
    added = services.nodes.add(entry.node)
    response.headers["Location"] = f"{ROOT}/nodes/{quote(added.ae_title, safe='')}"
    return added


def change_node(ae_title: AETitle, entry: NodeEntry, services: Services) -> Node:
    """Put an entry in the place of a node; its AE title may change too."""
    return services.nodes.change(ae_title, entry.node)


def remove_node(ae_title: AETitle, services: Services) -> None:
    """Remove a node."""
    services.nodes.remove(ae_title)


def echo_node(ae_title: AETitle, services: Services) -> Echo:
    """Ask whether a node answers (C-ECHO), and what it says of itself; a failure tells what to do."""
    return services.peers.echo(ae_title)


def query_node(ae_title: AETitle, query: NodeQuery, services: Services) -> Matches:
    """Ask what a node keeps (C-FIND); what is usual at the level is asked for too."""
    return services.peers.query(ae_title, query.level, query.keys, query.limit)


def retrieve_from_node(ae_title: AETitle, wanted: RetrieveRequest, services: Services, response: Response) -> Task:
    """Begin to bring objects from a node into this archive: by C-GET, and where that does not work by C-MOVE."""
    uids = tuple(wanted.sop_instance_uids)
    task = services.peers.retrieve(ae_title, Wanted(wanted.study_instance_uid, wanted.series_instance_uid, uids))
    return _begun(task, response)


def send_to_node(ae_title: AETitle, chosen: SendRequest, services: Services, response: Response) -> Task:
    """Begin to send objects to a node (C-STORE), transcoded without loss where it does not take them as they are.

    To a node with a project nothing goes that was not de-identified; what cannot be made safe fails.
    """
    task = services.peers.send(ae_title, Chosen(tuple(chosen.studies), tuple(chosen.series), tuple(chosen.instances)))
    return _begun(task, response)


def ask_node_for_commitment(ae_title: AETitle, chosen: SendRequest, services: Services) -> Commitment:
    """Begin to ask a node whether it keeps objects that were sent there (storage commitment), by their UIDs.

    It is asked until it has taken the request, for a day; /api/v1/commitments tells what it answers.
    """
    wanted = Chosen(tuple(chosen.studies), tuple(chosen.series), tuple(chosen.instances))
    return services.department.commitments.ask(ae_title, wanted)


def _begun(task: Task, response: Response) -> Task:
    response.headers["Location"] = f"{ROOT}/tasks/{task.id}"
    return task


def router() -> APIRouter:
    """Return the resources; an AE title may hold a slash, so it is matched as a path."""
    found = APIRouter(tags=["nodes"], responses=failing(400, 503))
    one = "/nodes/{ae_title:path}"
    found.add_api_route("/nodes", list_nodes, methods=["GET"])
    found.add_api_route("/nodes", add_node, methods=["POST"], status_code=201, responses=failing(403, 409, 507))
    asking = failing(403, 404, 502)
    found.add_api_route(f"{one}/echo", echo_node, methods=["POST"], responses=asking)
    found.add_api_route(f"{one}/query", query_node, methods=["POST"], responses=asking)
    beginning = failing(403, 404)
    found.add_api_route(f"{one}/retrieve", retrieve_from_node, methods=["POST"], status_code=202, responses=beginning)
    found.add_api_route(f"{one}/send", send_to_node, methods=["POST"], status_code=202, responses=beginning)
    committing = failing(403, 404)
    found.add_api_route(
        f"{one}/commitment", ask_node_for_commitment, methods=["POST"], status_code=202, responses=committing
    )
    found.add_api_route(one, get_node, methods=["GET"], responses=failing(404))
    found.add_api_route(one, change_node, methods=["PUT"], responses=failing(403, 404, 409))
    found.add_api_route(one, remove_node, methods=["DELETE"], status_code=204, responses=failing(403, 404, 409))
    return found
