"""What the services of FHIR need from the outside, as protocols. What returns from writing is durable."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from archimage.model.fhir import KeptResource


class FhirResources(Protocol):
    """Keeps resources, each by its kind and id."""

    def put(self, resource: KeptResource) -> None:
        """Keep a resource, in the place of the one of its kind and id."""

    def get(self, kind: str, resource_id: str) -> KeptResource | None:
        """Return one, or None."""

    def find(self, kind: str, *, status: str = "") -> Sequence[KeptResource]:
        """Return those of a kind, and of a status where one is given, the newest first."""

    def keys(self, kind: str, *, status: str = "", about: str = "") -> Sequence[tuple[str, str]]:
        """Return id and about of those of a kind, of a status, and about a word where these are given; newest first."""

    def count(self, kind: str) -> int:
        """Count those of a kind."""

    def remove(self, kind: str, resource_id: str) -> bool:
        """Forget one; False where it is not there."""


class StudyArrivals(Protocol):
    """Knows which studies grew."""

    def studies_since(self, moment: float, limit: int) -> Sequence[tuple[str, float]]:
        """Return studies of which instances came at a moment or later, each with when its last one came."""


CallHook = Callable[[str, str, Mapping[str, str], bytes], int]
"""Sends a request to a receiver: method, address, headers, body; returns its status, raises UnavailableError."""
