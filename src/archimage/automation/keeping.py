"""How long what is kept is kept: legal holds, rules of retention, the quota, and when studies were looked at last."""

from collections.abc import Callable
from functools import partial

from archimage.auditing import Auditing
from archimage.automation.sharing import turn_of
from archimage.automation.tiers import TiersPart
from archimage.config import Config
from archimage.index.arrivals import ArrivalTable
from archimage.index.holds import HoldTable
from archimage.index.relational import RelationalIndex
from archimage.index.retention import AccessTable, RetentionTable
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.services.accesses import AccessNotes
from archimage.services.changes import ChangeService
from archimage.services.holds import HoldService
from archimage.services.quota import Quota
from archimage.services.retention import RetentionService
from archimage.services.retention_rules import RuleBook
from archimage.services.retention_work import Tools
from archimage.services.room import Room
from archimage.use_cases import Services
from archimage.web.management import KeepingServices


class Keeping:
    """Over an open archive; `close` it before what it works with."""

    def __init__(
        self,
        config: Config,
        database: RelationalIndex,
        services: Services,
        auditing: Auditing,
        room: Room,
        tiers: TiersPart,
    ) -> None:
        storage, settings, audit = config.storage, config.retention, auditing.service
        self.holds = HoldService(HoldTable(database), services.events)
        self.holds.told = audit.held
        self.quota = Quota(
            storage.quota_bytes,
            storage.quota_warn_percent,
            partial(_kept, ArrivalTable(database), hot_only=bool(config.tiers)),
        )
        self.quota.look()
        room.quota = self.quota.check
        notes = AccessNotes(AccessTable(database))
        audit.accessed = notes.note
        book = RuleBook(settings.rule, settings.spare_days)
        remove = services.removal.remove_study
        table, check = RetentionTable(database), auditing.trail.check
        tools = Tools(table, book, remove, self.quota, check, mover=tiers.mover)
        self.retention = RetentionService(tools, settings, notes, turn_of(config, "retention"))
        self.services = KeepingServices(self.holds, self.retention, self.quota, tiers.records)

    def guard(self, changes: ChangeService) -> None:
        """Have no change begin that is about a study on hold."""
        before: Callable[[str], None] = changes.check

        def check(study_instance_uid: str) -> None:
            before(study_instance_uid)
            self.holds.check(study_instance_uid)

        changes.check = check

    def configure(self, config: Config) -> None:
        """Go on with other rules, and another quota."""
        self.quota.configure(config.storage.quota_bytes, config.storage.quota_warn_percent)
        self.retention.configure(config.retention)

    def hear(self, event: InstanceStored | InstanceRefused) -> None:
        """Hear of what came."""
        self.quota.hear(event)

    def start(self) -> None:
        """Begin what goes on by itself."""
        self.retention.start()

    def close(self) -> None:
        """End that."""
        self.retention.close()


def _kept(arrivals: ArrivalTable, *, hot_only: bool) -> int:
    return arrivals.hot_bytes() if hot_only else arrivals.since(0).size_bytes
