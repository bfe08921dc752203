"""Remote nodes: other application entities, by the name and the address that they are called under."""

from dataclasses import dataclass
from enum import StrEnum


class NodeSource(StrEnum):
    """Where a node was entered."""

    SETTINGS = "settings"
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Node:
    """A remote node; tls says whether it is called with TLS.

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

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}{' (TLS)' if self.tls else ''}"
