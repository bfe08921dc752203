"""The contract suites over SQLite; `index` is that of conftest."""

import pytest

from archimage.index.nodes import NodeTable
from archimage.index.sqlite import SqliteIndex
from tests.contract.index_contract import IndexContract
from tests.contract.index_matching_contract import MatchingContract
from tests.contract.nodes_contract import NodesContract


class TestSqliteIndex(IndexContract):
    """Adding, removing, sorting, retrieving."""


class TestSqliteMatching(MatchingContract):
    """Matching."""


class TestSqliteNodes(NodesContract):
    """Remote nodes."""

    @pytest.fixture
    def nodes(self, index: SqliteIndex) -> NodeTable:
        """Return the empty table."""
        return NodeTable(index)
