"""Other archives, and addresses, that the settings know something of."""

from collections.abc import Mapping
from dataclasses import dataclass

from archimage.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class KnownArchives:
    """DICOMweb addresses by the names that may stand for them, and what addresses are told that begin so."""

    addresses: Mapping[str, str]
    authorizations: Mapping[str, str]

    def authorization_for(self, address: str) -> str | None:
        """Return what an address is told: that of the longest beginning which it has, None where it has none."""
        fitting = [begin for begin in self.authorizations if address.startswith(begin)]
        return self.authorizations[max(fitting, key=len)] if fitting else None

    def address_of(self, name: str) -> str:
        """Return where STOW-RS stores at an archive; what is an address already is that."""
        if "://" in name:
            return name
        if name not in self.addresses:
            raise NotFoundError(f"no archive {name!r} is among routing.archives")
        return f"{self.addresses[name]}/studies"

    def named(self, address: str) -> str:
        """Return an address as messages tell of it: with the name of its archive, where it has one."""
        names = [name for name, begin in self.addresses.items() if f"{address}/".startswith(f"{begin}/")]
        return f"{names[0]} ({address})" if names else address
