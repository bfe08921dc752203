"""The settings of scrubbing: `scrub` of `config`."""

from pydantic import Field

from archimage.config_kinds import Section


class ScrubConfig(Section):
    """How stored objects are read again and compared with what came (docs/backup.md)."""

    every_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="Days from the beginning of one round through all objects to the next; 0: none in the background.",
    )
    bytes_per_s: int = Field(
        default=32 * 1024 * 1024,
        ge=0,
        description="How much a round in the background reads in a second, bytes; 0: as much as it can.",
    )
    repair_from: str = Field(
        default="",
        description="Directory of backups, or of another archive, from which damaged objects are mended; empty: none.",
    )
