"""Where objects lie beside where they came in, as protocols; the adapters are in `storage.tiers` and `index.tiers`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from archimage.errors import UnavailableError
from archimage.model.tiers import Shares, TierUse
from archimage.ports.storage import BlobStore


@runtime_checkable
class Reaching(Protocol):
    """What keeps objects in several places, of which some may be away."""

    def reachable(self, away: Callable[[str, UnavailableError], None]) -> Iterator[str]:
        """Walk every placed object of all tiers that can be looked at; away hears of each that cannot, and why."""


class TieredBlobs(BlobStore, Reaching, Protocol):
    """Keeps objects in several tiers; the path of each tells which."""

    @property
    def tiers(self) -> Sequence[str]:
        """The names of all tiers but the hot one."""

    def begin(self, tier: str) -> None:
        """Make a tier ready that has never been used; UnavailableError where it is away."""

    def room_for(self, tier: str, size_bytes: int) -> None:
        """Raise OutOfResourcesError where a tier is known to have no room for so much, UnavailableError if away."""

    def copy(self, path: str, pieces: Iterable[bytes], size_bytes: int) -> None:
        """Put an object of so many bytes at a path that nothing has; once `settle` has returned it is durable there.

        Raises:
            OutOfResourcesError: the tier is full.
            UnavailableError: it is away.
        """

    def settle(self, paths: Sequence[str]) -> None:
        """Make what was copied to these paths, all of one tier, survive a crash of the machine."""

    def delete_due(self) -> int:
        """Delete what was removed of tiers, now that nobody waits; return how much cannot be deleted yet."""

    def away(self) -> Mapping[str, UnavailableError]:
        """Map the tiers that are away to why."""


class TierRecords(Protocol):
    """Keeps which tiers are in use, and what lies in them."""

    def uses(self) -> Sequence[TierUse]:
        """Return what was last counted of each tier that has been used."""

    def begin(self, tier: str) -> None:
        """Note that a tier is used from now on; durable."""

    def count(self, now: float) -> None:
        """Count what lies in which tier, and note it as of now, seconds since 1970; looks at all rows."""

    def shares(self, study_instance_uid: str) -> Shares:
        """Tell what of a study lies where; empty where it is not kept."""

    def is_empty(self, tier: str) -> bool:
        """Tell whether no row names anything in a tier, and nothing is there yet to be deleted; looks at all rows."""

    @property
    def has_copies(self) -> bool:
        """Tell whether copies are being made, or a crash has left some."""

    def forget(self, tier: str) -> None:
        """Note that a tier is used no more."""
