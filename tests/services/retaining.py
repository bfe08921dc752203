"""An archive of studies that rules of retention are about, and what keeps it."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from archimage.config_retention import RetentionConfig, RetentionRule
from archimage.index.retention import AccessTable, RetentionTable
from archimage.model.callers import current
from archimage.model.records import Removed
from archimage.services.accesses import AccessNotes
from archimage.services.quota import Quota
from archimage.services.removal import RemovalService
from archimage.services.retention import RetentionService
from archimage.services.retention_rules import DAY_S, RuleBook
from archimage.services.retention_work import Moving, Tools
from archimage.storage.lanes import Turn
from tests.contract.index_contract import record
from tests.services.parts import Parts

NOW = 1_800_000_000.0


def rule(name: str = "old", action: str = "delete", **conditions: Any) -> RetentionRule:
    """Make a rule."""
    return RetentionRule.model_validate({"name": name, "action": action, **conditions})


class Kept:
    """An archive of ten studies of CT and MR in turn, and what keeps it."""

    def __init__(self, parts: Parts, held: ExitStack) -> None:
        self.parts = parts
        self.now = NOW
        self.done_for: list[str] = []
        self.meet: Callable[[str], object] = lambda _: None
        self.held = held
        self.removal = held.enter_context(
            closing(RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(())))
        )
        self.quota = Quota(0, 90, lambda: 0)
        records = (
            record("P", number, 1, 1, modality=("CT", "MR")[number % 2], study_date="20200101") for number in range(10)
        )
        parts.index.add([replace(one, received_at=NOW - 300 * DAY_S) for one in records])

    def remove(self, study: str) -> Removed:
        """Remove a study, and note who does it."""
        self.meet(study)
        caller = current()
        self.done_for.append("" if caller is None else caller.user)
        return self.removal.remove_study(study)

    def service(
        self, check: Callable[[], None] = lambda: None, *, mover: Moving | None = None, **settings: Any
    ) -> RetentionService:
        """Make the service."""
        config = RetentionConfig.model_validate({"studies_per_minute": 1_000_000, **settings})
        table, book = RetentionTable(self.parts.index), RuleBook(config.rule, config.spare_days)
        tools = Tools(table, book, self.remove, self.quota, check, lambda: self.now, mover)
        notes = AccessNotes(AccessTable(self.parts.index), lambda: self.now)
        service = RetentionService(
            tools, config, notes, lambda: Turn.take(self.parts.directory / "retention.lock"), look_every_s=0.02
        )
        self.held.enter_context(closing(service))
        return service

    @property
    def studies(self) -> list[str]:
        """Which are there."""
        rows = self.parts.index.fetch("SELECT study_instance_uid FROM study ORDER BY pk", {})
        return [uid for (uid,) in rows]

    @property
    def mr(self) -> list[str]:
        """Those that a rule about CT leaves."""
        return [f"1.{number}" for number in range(1, 10, 2)]
