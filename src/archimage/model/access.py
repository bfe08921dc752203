"""Who may do what with which part of the archive: principals, operations, scopes and rules.

Rules only allow; what no rule allows is refused, once there is a rule. `services.access` decides by them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Operation(StrEnum):
    """What somebody may be allowed to do."""

    ECHO = "echo"
    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    MOVE_TO = "move-to"
    WORKLIST = "worklist"
    PRINT = "print"
    DELETE = "delete"
    HOLD = "hold"
    MODIFY = "modify"
    ADMINISTER = "administer"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the archive: what fits each of the kinds that are given, and one of the values of each; all if none is.

    Patients by Patient ID, studies by UID, labels as studies have them, modalities as series have them.
    """

    patients: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()

    @property
    def is_all(self) -> bool:
        """Tell whether it is the whole archive."""
        return not (self.patients or self.studies or self.labels or self.modalities)


Extent = tuple[Scope, ...]
"""What lies in any of these; nothing where there is none."""
Within = tuple[Extent, ...]
"""What lies in each of these; everything where there is none."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a token or a share leaves of what its owner may do; operations None leaves all of them."""

    operations: frozenset[Operation] | None = None
    scope: Scope = Scope()


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody as rules see him: all that is known of him, the rest empty.

    user and roles are proved, by a password, a token or a provider. certificate has the names of a certificate that was
    checked and `sha256:` with its fingerprint. token is the name of an API token or share, which restriction limits.
    """

    address: str = ""
    ae_title: str = ""
    certificate: frozenset[str] = frozenset()
    user: str = ""
    roles: frozenset[str] = frozenset()
    token: str = ""
    restriction: Restriction | None = None

    @property
    def is_known(self) -> bool:
        """Tell whether he has proved who he is."""
        return bool(self.user or self.token)

    @property
    def name(self) -> str:
        """What he is called in limits and messages: the most personal thing that is known."""
        return self.token or self.user or self.ae_title or self.address


NOBODY = Principal()
"""Somebody of whom nothing is known."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Lets some do something with a part of the archive.

    Of the kinds of principals that are given each must fit, and one of the values of each. addresses are IP addresses
    and networks. nodes is everybody who calls by the AE title of a node, from its address where that is a number;
    everyone is everybody, and stands alone. destinations limits move-to to these AE titles, unless it is empty.
    """

    name: str
    allow: frozenset[Operation]
    everyone: bool = False
    nodes: bool = False
    ae_titles: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    certificates: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()
    scope: Scope = Scope()
    destinations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """That somebody may do something: within what, and for move-to where to, None for everywhere."""

    operation: Operation | None = None
    within: Within = ()
    destinations: frozenset[str] | None = None


UNLIMITED = Grant()
"""Everything: what the archive does by itself, and everybody while there is no rule."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one principal may do, by operation."""

    grants: Sequence[Grant] = field(default=())

    def of(self, operation: Operation) -> Grant | None:
        """Return what he may do of an operation, None where that is nothing."""
        return next((grant for grant in self.grants if grant.operation is operation), None)

    def __iter__(self) -> Iterator[Grant]:
        return iter(self.grants)
