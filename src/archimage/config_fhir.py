"""The settings of FHIR: `fhir` of `config`."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from archimage.config_kinds import Names, Seconds, Section


class FhirConfig(Section):
    """The FHIR R4B interface (docs/fhir.md)."""

    enabled: bool = Field(default=True, description="Serve FHIR R4B under `/fhir` (docs/fhir.md).")
    hooks: Names = Field(
        default=(),
        description="Beginnings of the addresses that subscriptions may have called (`https://ris.example/hooks`); "
        "empty: none.",
    )
    quiet_s: Seconds = Field(
        default=5.0, description="Time without a new object after which subscribers are told of a study, seconds."
    )

    @field_validator("hooks")
    @classmethod
    def _are_addresses(cls, hooks: tuple[str, ...]) -> tuple[str, ...]:
        for hook in hooks:
            parts = urlsplit(hook)
            if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
                raise ValueError(f"{hook!r} is no beginning of an address as `https://ris.example/hooks`")
            if parts.query or parts.fragment:
                raise ValueError(f"{hook!r} has a query or a fragment, which no beginning of an address has")
        return hooks
