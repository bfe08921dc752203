"""What the audit trail of a server says, read from its journals: over the web not everybody may ask."""

from collections.abc import Sequence
from typing import Final

from archimage.model.audit_search import AuditEntry, AuditSearch
from archimage.observe.audit.search import newest
from tests.attacks.server import Server, wait_until

_WITHIN_S: Final = 10.0
_MOST: Final = 1_000


def told(server: Server, event: str, *words: str) -> Sequence[AuditEntry]:
    """Return the messages of a kind in which all of these words stand, the newest first."""
    found, _ = newest(server.directory / "audit", AuditSearch(event=event), _MOST, 0)
    return [one for one in found if all(word in one.xml for word in words)]


def is_told(server: Server, event: str, *words: str) -> bool:
    """Wait for such a message."""
    return wait_until(lambda: bool(told(server, event, *words)), _WITHIN_S)
