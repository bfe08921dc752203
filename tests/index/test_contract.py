"""The contract suites over SQLite; `index` is that of conftest."""

from tests.contract.index_contract import IndexContract
from tests.contract.index_matching_contract import MatchingContract


class TestSqliteIndex(IndexContract):
    """Adding, removing, sorting, retrieving."""


class TestSqliteMatching(MatchingContract):
    """Matching."""
