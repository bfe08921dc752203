"""Remote nodes of the settings and of the index are one list; what cannot be a node is refused in words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archimage.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutOfResourcesError,
    UnknownDestinationError,
)
from archimage.index.nodes import NodeTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.events import NodeChanged
from archimage.model.nodes import Node, NodeSource
from archimage.services import nodes as services_nodes
from archimage.services.nodes import NodeService, check_node

FIXED = Node("FIXED", "192.0.2.1", 104)
NEW = Node("NEW", "pacs.example", 11112, "in the basement")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SqliteIndex]:
    """An empty index."""
    opened = SqliteIndex(tmp_path / "index.db", durable=False)
    yield opened
    opened.close()


@pytest.fixture
def told() -> list[NodeChanged]:
    """What was published."""
    return []


@pytest.fixture
def nodes(index: SqliteIndex, told: list[NodeChanged]) -> NodeService:
    """A service that knows FIXED, at ten o'clock."""
    return NodeService([FIXED], NodeTable(index), told.append, clock=lambda: 10.0)


def test_what_is_added_is_found_beside_the_settings(nodes: NodeService, told: list[NodeChanged]) -> None:
    added = nodes.add(NEW)
    assert (added.created_at, added.changed_at, added.source) == (10.0, 10.0, NodeSource.STORED)
    assert [(node.ae_title, node.source) for node in nodes.all()] == [("FIXED", "settings"), ("NEW", "stored")]
    assert nodes.get(" NEW ") == nodes.destination("NEW") == added
    assert told == [NodeChanged("NEW")]


def test_what_one_process_adds_another_finds_at_once(nodes: NodeService, tmp_path: Path) -> None:
    other = SqliteIndex(tmp_path / "index.db", durable=False)
    NodeService([], NodeTable(other)).add(NEW)
    other.close()
    assert nodes.destination("NEW").host == "pacs.example"


def test_a_change_may_rename_and_tells_both_names(nodes: NodeService, told: list[NodeChanged]) -> None:
    nodes.add(NEW)
    changed = nodes.change("NEW", replace(NEW, ae_title="NEWER", port=104))
    assert (changed.ae_title, changed.port, changed.created_at) == ("NEWER", 104, 10.0)
    assert [node.ae_title for node in nodes.all()] == ["FIXED", "NEWER"]
    assert told[1:] == [NodeChanged("NEW", removed=True), NodeChanged("NEWER")]


def test_what_is_removed_is_gone(nodes: NodeService, told: list[NodeChanged]) -> None:
    nodes.add(NEW)
    nodes.remove("NEW")
    assert list(nodes.all()) == [replace(FIXED, source=NodeSource.SETTINGS)]
    assert told[1:] == [NodeChanged("NEW", removed=True)]


def test_an_ae_title_is_given_once(nodes: NodeService) -> None:
    nodes.add(NEW)
    for taken in (NEW, FIXED):
        with pytest.raises(ConflictError, match="there is a node"):
            nodes.add(taken)
    nodes.add(replace(NEW, ae_title="OTHER"))
    with pytest.raises(ConflictError, match="there is a node"):
        nodes.change("OTHER", NEW)
    with pytest.raises(ConflictError, match="there is a node"):
        nodes.change("OTHER", FIXED)


def test_what_stands_in_the_settings_stays(nodes: NodeService, told: list[NodeChanged]) -> None:
    with pytest.raises(ConflictError, match="stands in the settings"):
        nodes.change("FIXED", NEW)
    with pytest.raises(ConflictError, match="stands in the settings"):
        nodes.remove("FIXED")
    assert told == []


def test_a_node_of_the_settings_hides_a_stored_one_of_its_name(nodes: NodeService, index: SqliteIndex) -> None:
    nodes.add(NEW)
    later = NodeService([replace(NEW, host="192.0.2.9")], NodeTable(index))
    assert [(node.host, node.source) for node in later.all()] == [("192.0.2.9", "settings")]
    assert later.destination("NEW").host == "192.0.2.9"


def test_what_is_not_there_is_told(nodes: NodeService) -> None:
    with pytest.raises(NotFoundError, match="NOBODY"):
        nodes.get("NOBODY")
    with pytest.raises(NotFoundError, match="NOBODY"):
        nodes.change("NOBODY", NEW)
    with pytest.raises(NotFoundError, match="NOBODY"):
        nodes.remove("NOBODY")
    with pytest.raises(UnknownDestinationError, match="NOBODY"):
        nodes.destination("NOBODY")


def test_there_is_a_limit(nodes: NodeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services_nodes, "MAX_NODES", 1)
    nodes.add(NEW)
    with pytest.raises(OutOfResourcesError, match="no more are kept"):
        nodes.add(replace(NEW, ae_title="OTHER"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ae_title": ""}, "ae_title"),
        ({"ae_title": "SEVENTEEN_LETTERS"}, "ae_title"),
        ({"ae_title": "A\\B"}, "ae_title"),
        ({"ae_title": "MÜLLER"}, "ae_title"),
        ({"ae_title": "A\nB"}, "ae_title"),
        ({"host": ""}, "host"),
        ({"host": "http://pacs"}, "host"),
        ({"host": "pacs:104"}, "host"),
        ({"host": "a b"}, "host"),
        ({"host": "300.1.1.1"}, "host"),
        ({"host": "192.168.1"}, "host"),
        ({"host": "-x.example"}, "host"),
        ({"host": "a..b"}, "host"),
        ({"host": "x" * 64}, "host"),
        ({"host": ".".join(["x" * 60] * 5)}, "host"),
        ({"host": "pacs\n"[:-1] + "\0"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": -1}, "port"),
        ({"description": "x" * 201}, "description"),
        ({"description": "a\nb"}, "description"),
    ],
)
def test_what_cannot_be_a_node_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        check_node(replace(NEW, **changes))


@pytest.mark.parametrize("host", ["pacs", "pacs.example.", "my_pc", "192.0.2.1", "::1", "fe80::1%eth0", "1und1.de"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert check_node(replace(NEW, host=f" {host} ")).host == host


def test_needless_blanks_and_brackets_are_taken_off() -> None:
    assert check_node(Node(" A B ", "[::1]", 104, " x ")) == Node("A B", "::1", 104, "x")
