"""Who may prove that he is somebody: users, their sessions and API tokens, and shares of single studies.

Of secrets only hashes are kept. Times are seconds since 1970, UTC.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from archimage.model.access import Operation, Restriction, Scope

MAX_NAME_LENGTH: Final = 64
_NAME: Final = re.compile(r"[a-z0-9._@-]{1,64}", re.ASCII)
MAX_ROLES: Final = 32


@dataclass(frozen=True, slots=True)
class User:
    """A user of this archive.

    password_hash is that of Argon2, empty where he has no password: then he comes by his tokens alone, or, with
    by_name, is believed on a DICOM association by his name, without any proof.
    """

    name: str
    roles: frozenset[str] = frozenset()
    description: str = ""
    disabled: bool = False
    by_name: bool = False
    password_hash: str = field(default="", repr=False)
    created_at: float = 0.0
    changed_at: float = 0.0

    @property
    def has_password(self) -> bool:
        """Tell whether he can log in."""
        return bool(self.password_hash)


@dataclass(frozen=True, slots=True)
class Session:
    """A login that lasts; digest is that of its secret.

    roles are those that a provider told, where one has proved who he is (from_provider); a user of this archive has at
    every moment the roles that he is given here.
    """

    digest: str = field(repr=False)
    user: str
    address: str
    created_at: float
    used_at: float
    expires_at: float
    from_provider: bool = False
    roles: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """What it is called by."""
        return id_of(self.digest)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a program comes with instead of its owner, who may do with it what restriction leaves of his rights."""

    digest: str = field(repr=False)
    name: str
    owner: str
    restriction: Restriction
    created_at: float
    expires_at: float | None = None

    @property
    def id(self) -> str:
        """What it is called by."""
        return id_of(self.digest)


@dataclass(frozen=True, slots=True)
class Share:
    """A link by which anybody sees one study, as far as whoever made it does; roles are those that he had then."""

    digest: str = field(repr=False)
    study_instance_uid: str
    owner: str
    created_at: float
    expires_at: float
    from_provider: bool = False
    roles: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """What it is called by."""
        return id_of(self.digest)

    @property
    def restriction(self) -> Restriction:
        """What it leaves of the rights of whoever made it."""
        operations = frozenset({Operation.QUERY, Operation.RETRIEVE})
        return Restriction(operations, Scope(studies=frozenset({self.study_instance_uid})))


@dataclass(frozen=True, slots=True)
class Lockout:
    """After how many failures in a row somebody has to wait, for so many seconds, then twice that, at most most_s."""

    failures: int
    first_s: float
    most_s: float


def id_of(digest: str) -> str:
    """Return what something is called by that a secret stands for: a part of its digest, which tells nothing of it."""
    return digest[:16]


def is_user_name(text: str) -> bool:
    """Tell whether a user, or a role, may be called so."""
    return _NAME.fullmatch(text) is not None
