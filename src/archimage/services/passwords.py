"""Passwords: what they must be, their hashes (Argon2id, RFC 9106), and those that were proved a moment ago."""

import base64
import hashlib
import hmac
import secrets
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from archimage.errors import InvalidRequestError, UnavailableError
from archimage.model.users import User

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MAX_LENGTH: Final = 1_024
AT_ONCE: Final = 2
"""So many hashes are computed at once by a process, each in 64 MiB."""
WAITING: Final = 4
"""So many wait for that; more are refused, or every thread of a process would wait."""
PROVED_FOR_S: Final = 300.0
MAX_PROVED: Final = 1_024
_TIME_COST, _MEMORY_KIB, _LANES = 3, 65_536, 4  # RFC 9106 §4, the second choice
_SALT_BYTES, _HASH_BYTES = 16, 32


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).rstrip(b"=").decode("ascii")


_OF_NOBODY: Final = (
    f"$argon2id$v=19$m={_MEMORY_KIB},t={_TIME_COST},p={_LANES}$"
    f"{_unpadded(bytes(_SALT_BYTES))}${_unpadded(bytes(_HASH_BYTES))}"
)
"""What a password is compared with where there is none, so that this takes as long; no password is known to fit."""


def check_password(user: str, password: str, least: int) -> None:
    """Raise InvalidRequestError where a user may not have this password; least is in characters."""
    if len(password) < least:
        raise _wrong(f"the password is shorter than {least} characters")
    if len(password) > MAX_LENGTH:
        raise _wrong(f"the password is longer than {MAX_LENGTH} characters")
    if password.casefold() == user.casefold():
        raise _wrong("the password is the user's name")
    if len(set(password)) == 1:
        raise _wrong("the password is one character, again and again")


def _wrong(what: str) -> InvalidRequestError:
    return InvalidRequestError(what, next_step="Choose another one, for example four words that nobody expects.")


class Hashing:
    """Computes hashes, few at once; blocks."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(AT_ONCE + WAITING)
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def turn(self) -> "Iterator[Turn]":
        """Wait until a hash may be computed, and lend what does.

        Raises:
            UnavailableError: too many others are waiting.
        """
        from argon2 import PasswordHasher  # a server without users needs it never

        if not self._places.acquire(blocking=False):
            raise UnavailableError("too many passwords are to be checked at the moment")
        try:
            with self._turns:
                yield Turn(PasswordHasher(_TIME_COST, _MEMORY_KIB, _LANES, _HASH_BYTES, _SALT_BYTES))
        finally:
            self._places.release()


class Turn:
    """Computes a hash while others wait."""

    def __init__(self, hasher: "PasswordHasher") -> None:
        self._hasher = hasher

    def hash(self, password: str) -> str:
        """Return the hash of a password, with a salt of its own."""
        return self._hasher.hash(_bytes(password))

    def verify(self, password_hash: str, password: str) -> bool:
        """Tell whether a password has this hash; where that is empty none has, and to say so takes as long."""
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            self._hasher.verify(password_hash or _OF_NOBODY, _bytes(password[:MAX_LENGTH]))
        except (VerificationError, InvalidHashError):
            return False
        return bool(password_hash)


class Proved:
    """Remembers for a while which passwords were right, without knowing them: a client may send one on each request.

    What is remembered depends on the user's hash, so another password, or another user of his name, is not.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, user: User, password: str) -> None:
        """Remember that it was right."""
        with self._lock:
            self._until[self._mark(user, password)] = self._clock() + PROVED_FOR_S
            while len(self._until) > MAX_PROVED:
                self._until.popitem(last=False)

    def knows(self, user: User, password: str) -> bool:
        """Tell whether it was right a moment ago."""
        mark = self._mark(user, password)
        with self._lock:
            return self._until.get(mark, 0.0) > self._clock()

    def _mark(self, user: User, password: str) -> bytes:
        told = b"\0".join((user.name.encode(), user.password_hash.encode(), _bytes(password)))
        return hmac.digest(self._key, told, hashlib.sha256)


def _bytes(password: str) -> bytes:
    """Encode a password, however its accents were typed (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
