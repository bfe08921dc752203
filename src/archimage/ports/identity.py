"""What the services need to keep of users and their secrets, as protocols; adapters live in `index` and `web`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from archimage.model.users import ApiToken, Lockout, Session, Share, User


class Users(Protocol):
    """The users of this archive."""

    def all(self) -> Sequence[User]:
        """Return all, by name."""

    def get(self, name: str) -> User | None:
        """Return the user of a name, or None."""

    def count(self) -> int:
        """Count them."""

    def add(self, user: User) -> bool:
        """Keep a user; False where his name is taken."""

    def change(self, user: User) -> bool:
        """Put user, but for when he was created, in the place of the one of his name; False where there is none."""

    def remove(self, name: str) -> bool:
        """Forget a user with his sessions, tokens and shares; False where there is none of that name."""


class Sessions(Protocol):
    """Logins that last."""

    def all(self) -> Sequence[Session]:
        """Return all, the newest first."""

    def get(self, digest: str) -> Session | None:
        """Return the session of a digest, or None."""

    def add(self, session: Session, most: int) -> None:
        """Keep a session and, of those of its user, so many of the newest."""

    def use(self, digest: str, now: float) -> None:
        """Note that a session was used."""

    def remove(self, digest: str) -> bool:
        """Forget a session; False where it is not there."""

    def remove_of(self, user: str, but: str = "") -> None:
        """Forget the sessions of a user, but for that of a digest."""

    def clean(self, used_before: float, now: float) -> None:
        """Forget those that have not been used since, and those that are over."""


class Tokens(Protocol):
    """API tokens."""

    def all(self) -> Sequence[ApiToken]:
        """Return all, by owner and name."""

    def get(self, digest: str) -> ApiToken | None:
        """Return the token of a digest, or None."""

    def add(self, token: ApiToken) -> bool:
        """Keep a token; False where its owner has one of that name."""

    def remove(self, digest: str) -> bool:
        """Forget a token; False where it is not there."""


class Shares(Protocol):
    """Links to single studies."""

    def all(self) -> Sequence[Share]:
        """Return all, the newest first."""

    def get(self, digest: str) -> Share | None:
        """Return the share of a digest, or None."""

    def add(self, share: Share) -> None:
        """Keep a share."""

    def remove(self, digest: str) -> bool:
        """Forget a share; False where it is not there."""

    def clean(self, now: float) -> None:
        """Forget those that are over."""


class Failures(Protocol):
    """Logins that failed, by whom they were tried for and from where."""

    def begin(self, limits: Mapping[str, Lockout], now: float) -> float:
        """Count a try against each key before it is known how it ends, and return 0.

        Where one of them is locked out nothing is counted: returns for how long it still is, seconds.
        """

    def passed(self, cleared: str, others: Sequence[str]) -> None:
        """Note that a try has gone well: forget all failures of the one key, and the one that was counted of others."""


class Fetch(Protocol):
    """Asks a web server; blocks, for a bounded time."""

    def __call__(
        self, address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Return what stands at an address, or what it answers to a form.

        Raises:
            UnavailableError: it does not answer in time, with a failure, or at too great a length.
        """
