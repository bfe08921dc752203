"""An identity service over an index of its own, with clocks that stand still until a test moves them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from archimage.config_access import AccessConfig
from archimage.index.credentials import SessionTable, ShareTable, TokenTable
from archimage.index.failures import FailureTable
from archimage.index.sqlite import SqliteIndex
from archimage.index.users import UserTable
from archimage.model.audit import AuditEvent
from archimage.ports.audit import Told
from archimage.services.accounts import UserChange
from archimage.services.audit_identity import IdentityAudit
from archimage.services.audit_messages import Messages
from archimage.services.identity import IdentityService, JwtVerifier
from archimage.services.proofs import Tools

PASSWORD = "four words nobody expects"
ADDRESS = "192.0.2.7"


@dataclass
class Clock:
    """A clock; seconds."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@dataclass
class Trail:
    """An audit trail in memory."""

    events: list[AuditEvent] = field(default_factory=list)

    def record(self, told: Told, *, at_once: bool = True) -> None:  # noqa: ARG002 - all of it is made at once
        """Keep what happened."""
        self.events += told()

    def check(self) -> None:
        """Let everything through."""

    @property
    def said(self) -> list[tuple[str, str, str]]:
        """What was told: the event's type, its result, and the words."""
        return [(event.types[0].meaning, event.result.value, event.description) for event in self.events]


@dataclass
class Process:
    """One process of an archive: its service, and what it stands on."""

    service: IdentityService
    trail: Trail
    clock: Clock

    def add(self, name: str = "ann", *roles: str, password: str | None = PASSWORD) -> None:
        """Enter a user."""
        self.service.users.add(name, UserChange(password, roles))


Start = Callable[[], Process]


@contextmanager
def processes(
    directory: Path, settings: AccessConfig | None = None, provider: JwtVerifier | None = None
) -> Iterator[Start]:
    """Give what starts processes over one index."""
    opened: list[SqliteIndex] = []
    clock = Clock()

    def start() -> Process:
        index = SqliteIndex(directory / "index.db", durable=False)
        opened.append(index)
        trail = Trail()
        audit = IdentityAudit(trail, Messages("ARCHIVE", "77", "archive.example"))
        kept = (UserTable(index), SessionTable(index), TokenTable(index), ShareTable(index), FailureTable(index))
        service = IdentityService(Tools(*kept, audit, clock), settings or AccessConfig(), provider, clock)
        return Process(service, trail, clock)

    try:
        yield start
    finally:
        for index in opened:
            index.close()
