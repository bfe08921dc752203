"""Resources of FHIR that the archive keeps as they were sent."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeptResource:
    """One resource; body is its JSON, status its own, about what it is found by:
    words with a space before and behind each.

    Times are seconds since 1970, UTC.
    """

    kind: str
    id: str
    status: str
    about: str
    body: str
    created_at: float
    changed_at: float
