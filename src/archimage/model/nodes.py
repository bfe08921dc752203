"""Remote nodes: other application entities, by the name and the address that they are called under."""

from dataclasses import dataclass, field
from enum import StrEnum

from archimage.model.projects import Purpose


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

    deidentify names the project for which everything that goes to it is de-identified, empty where nothing is.
    transfer_syntax_uid is the one in which objects are to go there where they can be had so; it is never kept.

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
    deidentify: str = ""
    deidentify_options: tuple[str, ...] = ()
    transfer_syntax_uid: str = ""

    @property
    def purpose(self) -> Purpose | None:
        """What objects that go to it are de-identified for; None where they go as they are."""
        return Purpose(self.deidentify, self.deidentify_options) if self.deidentify else None

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}{' (TLS)' if self.tls else ''}"
