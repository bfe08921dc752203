"""Scrubbing as values: how far a round through all objects is, and what it found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """How far a round in the background is; times are seconds since 1970, UTC, 0 for what has not been.

    due_at is when the next one begins; began_at tells when the one began that is at work, which goes on after a row.
    """

    due_at: float = 0.0
    began_at: float = 0.0
    after: int = 0
    objects: int = 0
    size_bytes: int = 0
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Damage:
    """A stored object whose file is not what was stored."""

    sop_instance_uid: str
    path: str
    fault: str
    found_at: float
