"""What goes wrong with an object store, in errors of our own: neutral, and telling what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from archimage.errors import ArchimageError, BlobNotFoundError, OutOfResourcesError, UnavailableError

_STATUS: Final = re.compile(r"status code: (\d{3})", re.ASCII)
_FULL: Final = frozenset({"507", "413"})
_REFUSED: Final = frozenset({"401", "403"})
_LONGEST: Final = 300


@contextmanager
def remote_errors(doing: str) -> Iterator[None]:
    """Turn what obstore raises into BlobNotFoundError, OutOfResourcesError where it is full, or UnavailableError."""
    try:
        yield
    except FileNotFoundError as error:
        raise BlobNotFoundError(f"{doing}: the object store has no such object") from error
    except (BaseError, ValueError, OSError) as error:
        raise _told(doing, error) from error


def _told(doing: str, error: Exception) -> ArchimageError:
    reason = _first_line(str(error))
    found = _STATUS.search(str(error))  # behind the address of a long key it is not in the first line
    status = found[1] if found else ""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in _REFUSED:
        return UnavailableError(
            f"{doing}: the object store refuses our key: {reason}",
            next_step="Check object_store.key_id, object_store.secret and what they are allowed.",
        )
    if status in _FULL:
        return OutOfResourcesError(f"{doing}: the object store is full: {reason}")
    return UnavailableError(f"{doing}: the object store does not do it: {reason}")


def why(error: Exception) -> str:
    """Return what obstore says of an error, in one line."""
    return _first_line(str(error))


def _first_line(text: str) -> str:
    """Return what is told first; after it comes what a programmer would ask for."""
    return " ".join(text.partition("Debug source")[0].partition("<?xml")[0].split())[:_LONGEST]


def is_past_the_end(error: Exception) -> bool:
    """Tell whether a store has called a fault that a range begins where an object has ended."""
    text = str(error)
    return "status code: 416" in text or "Wanted range starting at" in text
