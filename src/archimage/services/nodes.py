"""Remote nodes: those of the settings, which stay as they are, and those that were entered at run time.

Whoever needs a node looks it up when it is needed, so what is entered counts at once, in every process.

Ref: PS3.5 §6.2 (AE titles).
"""

import ipaddress
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from archimage.config import NodeConfig
from archimage.dicom.deidentify.options import Option
from archimage.errors import (
    ConfigError,
    ConflictError,
    InvalidRequestError,
    NotAcceptableError,
    NotFoundError,
    OutOfResourcesError,
    ServiceError,
    UnknownDestinationError,
)
from archimage.model.events import NodeChanged
from archimage.model.ids import is_ae_title
from archimage.model.nodes import Login, Node, NodeSource
from archimage.model.projects import Purpose
from archimage.ports.peer import Nodes
from archimage.services.projects import checked

MAX_NODES: Final = 4_096
MAX_HOST_LENGTH: Final = 253
MAX_DESCRIPTION_LENGTH: Final = 200
_MAX_PORT: Final = 0xFFFF
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)

Publish = Callable[[NodeChanged], None]


def check_node(node: Node) -> Node:
    """Return a node without needless blanks.

    Raises:
        InvalidRequestError: its AE title, host, port, description, project or options cannot be; the message says why.
        NotAcceptableError: an option of de-identification is not done here.
    """
    node = replace(
        node,
        ae_title=node.ae_title.strip(" "),
        host=node.host.strip().strip("[]"),
        description=node.description.strip(),
        deidentify=node.deidentify.strip(),
    )
    if not is_ae_title(node.ae_title):
        raise _wrong(
            f"ae_title {node.ae_title[:80]!r}: an AE title is 1 to 16 printable ASCII characters, no backslash"
        )
    if not _is_host(node.host):
        raise _wrong(f"host {node.host[:80]!r}: neither a host name nor an IP address")
    if not 1 <= node.port <= _MAX_PORT:
        raise _wrong(f"port {node.port}: a TCP port is 1 to {_MAX_PORT}")
    check_purpose(node.deidentify, node.deidentify_options)
    if len(node.description) > MAX_DESCRIPTION_LENGTH or not node.description.isprintable():
        raise _wrong(f"description: at most {MAX_DESCRIPTION_LENGTH} printable characters, on one line")
    return node


def check_purpose(project: str, options: tuple[str, ...]) -> None:
    """Check for which project, and with which options, what goes to a node is de-identified.

    Raises:
        InvalidRequestError: they cannot be.
        NotAcceptableError: an option takes more than one object at a time, as they go to nodes.
    """
    if project:
        if Option.CLEAN_VISUAL_FEATURES in checked(Purpose(project, options)):
            raise NotAcceptableError(
                f"{Option.CLEAN_VISUAL_FEATURES}: faces are removed of whole series, and nodes get single objects",
                next_step="Have a copy of the study made without faces, and send that.",
            )
    elif options:
        raise _wrong("deidentify_options: options count for a project, which `deidentify` has to name")


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        return True
    numeric = text.rstrip(".").rpartition(".")[2].isdecimal()  # 192.168.1 and 300.1.1.1 are mistyped addresses
    return len(text) <= MAX_HOST_LENGTH and not numeric and _NAME.fullmatch(text) is not None


def configured(nodes: Mapping[str, NodeConfig]) -> Iterator[Node]:
    """Yield the nodes of the settings; ConfigError where what goes to one cannot be de-identified as it says."""
    for ae_title, node in nodes.items():
        login = Login(node.user, node.passcode.get_secret_value()) if node.user else None
        project, options = node.deidentify, node.deidentify_options
        try:
            check_purpose(project, options)
        except ServiceError as error:
            raise ConfigError(f"nodes.{ae_title}: {error}", next_step=error.next_step) from None
        known = Node(ae_title, node.host, node.port, tls=node.tls, login=login)
        yield replace(known, deidentify=project, deidentify_options=options)


class NodeService:
    """Lists, finds, adds, changes and removes nodes; all of it blocks."""

    def __init__(
        self,
        configured: Iterable[Node],
        stored: Nodes,
        publish: Publish = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Serve the nodes of the settings and those that are stored; a node of the settings hides one of its name."""
        self.configure(configured)
        self._stored = stored
        self._publish = publish
        self._clock = clock

    def configure(self, configured: Iterable[Node]) -> None:
        """Serve these nodes of the settings instead of those before."""
        self._configured = {node.ae_title: replace(node, source=NodeSource.SETTINGS) for node in configured}

    def all(self) -> Sequence[Node]:
        """Return every node, by AE title."""
        known = {node.ae_title: node for node in self._stored.all()} | self._configured
        return [known[ae_title] for ae_title in sorted(known)]

    def get(self, ae_title: str) -> Node:
        """Return the node of an AE title; raises NotFoundError."""
        node = self.known(ae_title)
        if node is None:
            raise _absent(ae_title)
        return node

    def destination(self, ae_title: str) -> Node:
        """Return the node that a C-MOVE may send to; raises UnknownDestinationError."""
        node = self.known(ae_title)
        if node is None:
            raise UnknownDestinationError(f"no node {ae_title[:80]!r} is known here")
        return node

    def deidentifies(self, ae_title: str) -> bool:
        """Tell whether what goes to an AE title is de-identified."""
        node = self.known(ae_title)
        return node is not None and node.purpose is not None

    def add(self, node: Node) -> Node:
        """Keep a node and return it as it is kept.

        Raises:
            InvalidRequestError: something of it cannot be.
            ConflictError: its AE title is taken.
            OutOfResourcesError: there are as many nodes as there may be.
        """
        now = self._clock()
        node = replace(check_node(node), source=NodeSource.STORED, created_at=now, changed_at=now)
        self._check_free(node.ae_title)
        if self._stored.count() >= MAX_NODES:
            raise OutOfResourcesError(f"there are {MAX_NODES} nodes, no more are kept", next_step="Remove one first.")
        if not self._stored.add(node):
            raise _taken(node.ae_title)
        self._publish(NodeChanged(node.ae_title))
        return node

    def change(self, ae_title: str, node: Node) -> Node:
        """Put node in the place of that of an AE title, which may change too, and return it as it is kept.

        Raises:
            NotFoundError: there is none of that AE title.
            InvalidRequestError: something of the new one cannot be.
            ConflictError: the node stands in the settings, or its new AE title is taken.
        """
        before = self._changeable(ae_title)
        node = replace(check_node(node), source=NodeSource.STORED, created_at=before.created_at)
        node = replace(node, changed_at=self._clock())
        if node.ae_title != before.ae_title:
            self._check_free(node.ae_title)
        if not self._stored.change(before.ae_title, node):
            self.get(before.ae_title)  # it may have been removed meanwhile
            raise _taken(node.ae_title)
        if node.ae_title != before.ae_title:
            self._publish(NodeChanged(before.ae_title, removed=True))
        self._publish(NodeChanged(node.ae_title))
        return node

    def remove(self, ae_title: str) -> None:
        """Forget a node.

        Raises:
            NotFoundError: there is none of that AE title.
            ConflictError: it stands in the settings.
        """
        node = self._changeable(ae_title)
        if not self._stored.remove(node.ae_title):
            raise _absent(node.ae_title)
        self._publish(NodeChanged(node.ae_title, removed=True))

    def known(self, ae_title: str) -> Node | None:
        ae_title = ae_title.strip(" ")
        return self._configured.get(ae_title) or self._stored.get(ae_title)

    def _changeable(self, ae_title: str) -> Node:
        node = self.get(ae_title)
        if node.source is NodeSource.SETTINGS:
            raise ConflictError(
                f"node {node.ae_title!r} stands in the settings: change it there, and send the server SIGHUP"
            )
        return node

    def _check_free(self, ae_title: str) -> None:
        if self.known(ae_title) is not None:
            raise _taken(ae_title)


def _taken(ae_title: str) -> ConflictError:
    next_step = "Change that one, or choose another AE title."
    return ConflictError(f"there is a node {ae_title!r} already", next_step=next_step)


def _absent(ae_title: str) -> NotFoundError:
    return NotFoundError(f"there is no node {ae_title[:80]!r}", next_step="GET /api/v1/nodes lists those that are.")


def _wrong(what: str) -> InvalidRequestError:
    return InvalidRequestError(what, next_step="Correct it, and enter the node again.")
