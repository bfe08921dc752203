"""How long what is kept is kept: legal holds."""

from collections.abc import Callable
from contextlib import ExitStack

from archimage.index.holds import HoldTable
from archimage.index.nodes import Database
from archimage.services.audit import AuditService
from archimage.services.changes import ChangeService
from archimage.services.events import EventHub
from archimage.services.holds import HoldService
from archimage.web.management import KeepingServices


class Keeping:
    """Legal holds, over an open archive. `close` it."""

    def __init__(self, database: Database, events: EventHub, audit: AuditService) -> None:
        self._held = ExitStack()
        self.holds = HoldService(HoldTable(database), events)
        self.holds.told = audit.held
        self.services = KeepingServices(self.holds)

    def guard(self, changes: ChangeService) -> None:
        """Have no change begin that is about a study on hold."""
        before: Callable[[str], None] = changes.check

        def check(study_instance_uid: str) -> None:
            before(study_instance_uid)
            self.holds.check(study_instance_uid)

        changes.check = check

    def close(self) -> None:
        """Let go of everything."""
        self._held.close()
