"""Remote nodes: other application entities, by the name and the address that they are called under."""

from dataclasses import dataclass, field
from enum import StrEnum


class NodeSource(StrEnum):
    """Where a node was entered."""

    SETTINGS = "settings"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Login:
    """The user whom a node is called as; without a passcode it is to believe the name."""

    user: str
    passcode: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Node:
    """A remote node; tls says whether it is called with TLS, and login as which user, if as one.

    The times are seconds since 1970, UTC, and None for one that stands in the settings.
    """

    ae_title: str
    host: str
    port: int
    description: str = ""
    tls: bool = False
    source: NodeSource = NodeSource.STORED
    created_at: float | None = None
    changed_at: float | None = None
    login: Login | None = None

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}{' (TLS)' if self.tls else ''}"
