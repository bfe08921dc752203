"""How plugins fare, in the table `plugin`: few rows, changed by every process of the archive."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, null, select, update

from archimage.index.compiled import Compiled
from archimage.index.nodes import Database
from archimage.index.schema_plugins import plugin
from archimage.model.plugins import PluginRecord

_SEPARATOR: Final = " "
_COUNTED: Final = ("calls", "failures", "dropped")
_ROWS: Final = select(*plugin.columns).order_by(plugin.c.name)
_NEW: Final = {"hooks": None, "disabled_at": None, "reason": "", "last_error": "", "last_error_at": None}


class PluginTable:
    """Implements `ports.plugins.PluginRecords`."""

    def __init__(self, database: Database) -> None:
        this = update(plugin).where(plugin.c.name == bindparam("this"))
        added = {name: plugin.c[name] + bindparam(f"more_{name}") for name in _COUNTED}
        failed: dict[str, Any] = {"last_error": bindparam("error"), "last_error_at": bindparam("now")}
        disabled: dict[str, Any] = {"disabled_at": bindparam("now"), "reason": bindparam("why")}
        enabled = {"disabled_at": null(), "reason": "", "generation": plugin.c.generation + 1}
        self._insert = Compiled(database.dialect.insert_once(plugin), database)
        self._moved = Compiled(this.values(source=bindparam("source")), database)
        self._loaded = Compiled(this.values(hooks=bindparam("hooks")), database)
        self._all = Compiled(_ROWS, database)
        self._count = Compiled(this.values(added), database)
        self._failed = Compiled(this.values(failed), database)
        self._disable = Compiled(this.values(disabled), database)
        self._enable = Compiled(this.values(enabled), database)

    def register(self, name: str, source: str) -> None:
        """Begin to keep a plugin, or keep where it is now."""
        if not self._moved.change(this=name, source=source):
            counted: dict[str, object] = dict.fromkeys((*_COUNTED, "generation"), 0)
            self._insert.change(name=name, source=source, **_NEW, **counted)

    def loaded(self, name: str, hooks: Sequence[str]) -> None:
        """Keep which hooks it has."""
        self._loaded.change(this=name, hooks=_SEPARATOR.join(hooks))

    def all(self) -> Sequence[PluginRecord]:
        """Return all that are kept, by name."""
        return [_record(row) for row in self._all.rows()]

    def count(self, name: str, calls: int, failures: int, dropped: int) -> None:
        """Add to what is counted."""
        self._count.change(this=name, more_calls=calls, more_failures=failures, more_dropped=dropped)

    def failed(self, name: str, error: str, now: float) -> None:
        """Keep its last error."""
        self._failed.change(this=name, error=error, now=now)

    def disable(self, name: str, reason: str, now: float) -> bool:
        """Turn it off for all processes; False where it is not kept."""
        return self._disable.change(this=name, why=reason, now=now) == 1

    def enable(self, name: str) -> bool:
        """Turn it on for all processes, to be loaded anew; False where it is not kept."""
        return self._enable.change(this=name) == 1


def _record(row: Sequence[Any]) -> PluginRecord:
    values = dict(zip((column.key for column in plugin.columns), row, strict=True))
    hooks = values.pop("hooks")
    return PluginRecord(**values, hooks=None if hooks is None else tuple(hooks.split()))
