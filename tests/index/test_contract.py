"""The contract suite over SQLite."""

from tests.contract.index_contract import IndexContract


class TestSqliteIndex(IndexContract):
    """`index` is that of conftest."""
