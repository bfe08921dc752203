"""The users of this archive: entered, changed and removed; whoever asks is told to the audit trail."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from archimage.errors import ConflictError, InvalidRequestError, NotFoundError, OutOfResourcesError
from archimage.model.users import MAX_ROLES, User, is_user_name
from archimage.services.passwords import Hashing, check_password
from archimage.services.proofs import Tools

MAX_USERS: Final = 10_000
MAX_DESCRIPTION_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is to be changed of a user; None leaves it as it is, and an empty password takes it away."""

    password: str | None = None
    roles: Iterable[str] | None = None
    description: str | None = None
    disabled: bool | None = None
    by_name: bool | None = None


class AccountService:
    """Keeps users; all of it blocks."""

    def __init__(self, tools: Tools, hashing: Hashing, *, password_length: int) -> None:
        self._tools = tools
        self._hashing = hashing
        self._password_length = password_length

    def all(self) -> Sequence[User]:
        """Return all, by name."""
        return self._tools.users.all()

    def find(self, name: str) -> User | None:
        """Return the user of a name, or None."""
        return self._tools.users.get(name)

    def get(self, name: str) -> User:
        """Return the user of a name; raises NotFoundError."""
        user = self.find(name)
        if user is None:
            raise NotFoundError(f"there is no user {name[:64]!r}", next_step="`archimage user list` names all.")
        return user

    def add(self, name: str, wanted: UserChange) -> User:
        """Enter a user.

        Raises:
            InvalidRequestError: his name, a role or the password cannot be one.
            ConflictError: his name is taken.
            OutOfResourcesError: there are as many users as there may be.
        """
        if not is_user_name(name):
            raise _wrong(f"{name[:64]!r} is no name of a user: 1 to 64 of a-z, 0-9, dot, underscore, hyphen and @")
        now, users = self._tools.clock(), self._tools.users
        user = self._changed(User(name, created_at=now, changed_at=now), wanted)
        if users.count() >= MAX_USERS:
            raise OutOfResourcesError(f"there are {MAX_USERS} users, no more are kept", next_step="Remove one first.")
        if not users.add(user):
            raise ConflictError(f"there is a user {name!r} already", next_step="Change him, or choose another name.")
        self._tools.audit.roles(f"user {name} was entered with {_told(user.roles)}")
        return user

    def change(self, name: str, wanted: UserChange, *, keeping: str = "") -> User:
        """Change a user; with another password, or disabled, his sessions are over but for that of digest keeping.

        Raises:
            NotFoundError: there is none of that name.
            InvalidRequestError: a role or the password cannot be one.
        """
        before = self.get(name)
        user = replace(self._changed(before, wanted), changed_at=self._tools.clock())
        if not self._tools.users.change(user):
            self.get(name)  # he was removed meanwhile
        if user.disabled or user.password_hash != before.password_hash:
            self._tools.sessions.remove_of(name, keeping)
        self._tell(before, user)
        return user

    def remove(self, name: str, *, even_last: bool = False) -> None:
        """Forget a user, and his sessions, tokens and shares.

        Raises:
            NotFoundError: there is none of that name.
            ConflictError: he is the last one, and that is not to be.
        """
        self.get(name)
        if not even_last and self._tools.users.count() == 1:
            raise ConflictError(
                f"{name} is the last user: without users everybody may do everything, unless rules say otherwise",
                next_step="Disable him, or use `archimage user remove --even-last`.",
            )
        if not self._tools.users.remove(self.get(name).name):
            self.get(name)
        self._tools.audit.roles(f"user {name} was removed")

    def _changed(self, user: User, wanted: UserChange) -> User:
        """Return a user with what is wanted."""
        roles = user.roles if wanted.roles is None else frozenset(wanted.roles)
        wrong = sorted(role for role in roles if not is_user_name(role))
        if wrong or len(roles) > MAX_ROLES:
            what = f"{wrong[0][:64]!r} is no role" if wrong else f"more than {MAX_ROLES} roles"
            raise _wrong(f"{what}: a role is 1 to 64 of a-z, 0-9, dot, underscore, hyphen and @")
        description = user.description if wanted.description is None else wanted.description.strip()
        if len(description) > MAX_DESCRIPTION_LENGTH or not description.isprintable():
            raise _wrong(f"description: at most {MAX_DESCRIPTION_LENGTH} printable characters, on one line")
        password_hash = user.password_hash
        if wanted.password:
            check_password(user.name, wanted.password, self._password_length)
            with self._hashing.turn() as turn:
                password_hash = turn.hash(wanted.password)
        elif wanted.password is not None:
            password_hash = ""
        by_name = user.by_name if wanted.by_name is None else wanted.by_name
        if by_name and password_hash:
            raise _wrong(f"user {user.name}: who is believed by his name alone has no password")
        disabled = user.disabled if wanted.disabled is None else wanted.disabled
        return replace(
            user,
            roles=roles,
            description=description,
            disabled=disabled,
            by_name=by_name,
            password_hash=password_hash,
        )

    def _tell(self, before: User, user: User) -> None:
        """Tell what has changed of a user."""
        if user.roles != before.roles:
            self._tools.audit.roles(f"user {user.name} has {_told(user.roles)} now, before {_told(before.roles)}")
        changed = [
            word
            for word, is_changed in (
                ("another password", user.password_hash != before.password_hash),
                ("disabled" if user.disabled else "enabled", user.disabled != before.disabled),
                ("believed by name" if user.by_name else "not believed by name", user.by_name != before.by_name),
            )
            if is_changed
        ]
        if changed:
            self._tools.audit.attributes(f"user {user.name}: {', '.join(changed)}")


def _told(roles: Iterable[str]) -> str:
    named = ", ".join(sorted(roles))
    return f"the roles {named}" if named else "no role"


def _wrong(what: str) -> InvalidRequestError:
    return InvalidRequestError(what, next_step="Correct it, and try again.")
