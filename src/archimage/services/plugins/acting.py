"""Doing what plugins answer: labels, and sending to nodes. Nothing else is done for them, and nothing is deleted."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from archimage.errors import InvalidRequestError, NotFoundError
from archimage.logger import logger
from archimage.model.plugins import PluginAnswer
from archimage.model.tasks import Task
from archimage.ports.plugins import PluginFault
from archimage.services.chosen import Chosen
from archimage.services.labels import LabelService
from archimage.services.nodes import NodeService

_log = logger("plugin")


class Sends(Protocol):
    """Sends to nodes; see `services.peers.PeerService`."""

    def send(self, ae_title: str, chosen: Chosen) -> Task:
        """Begin to send what is chosen to a node."""


class Acting:
    """Does it; all of it blocks."""

    def __init__(self, labels: LabelService, nodes: NodeService, peers: Sends) -> None:
        self._labels = labels
        self._nodes = nodes
        self._peers = peers

    def do(self, plugin: str, answers: Sequence[PluginAnswer], study: str, instances: Sequence[str] = ()) -> None:
        """Do what a plugin answers to a study, or to some instances of it; what was removed meanwhile is let be.

        Raises:
            PluginFault: it cannot be done, whatever is kept.
        """
        for answer in answers:
            if answer.kind == "label":
                self._label(answer.text, study)
            else:
                self._send(answer.text, study, instances)
            told = {"destination": answer.text} if answer.kind == "send" else {}  # a label may name a patient
            _log.info("plugin acted", plugin=plugin, action=answer.kind, study_instance_uid=study, **told)

    def _label(self, name: str, study: str) -> None:
        try:
            with suppress(NotFoundError):
                self._labels.add(study, name)
        except InvalidRequestError as error:
            raise PluginFault("invalid", f"it answered a label that is none: {error}") from None

    def _send(self, node: str, study: str, instances: Sequence[str]) -> None:
        try:
            self._nodes.get(node)
        except NotFoundError as error:
            raise PluginFault("invalid", f"it answered to send to no node: {error}") from None
        with suppress(NotFoundError):
            self._peers.send(node, Chosen(instances=tuple(instances)) if instances else Chosen(studies=(study,)))
