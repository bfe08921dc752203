"""The settings of storage commitment: `commitment` of `config`."""

from typing import Literal

from pydantic import Field

from archimage.config_kinds import Count, Seconds, Section


class CommitmentConfig(Section):
    """What others are told that they can rely on (docs/commitment.md)."""

    verify: Literal["digest", "size"] = Field(
        default="digest",
        description="How an object is looked at that somebody asks about: `digest`: its file is read, and its digest "
        "compared with that of what came; `size`: its length alone.",
    )
    same_association_s: Seconds = Field(
        default=10.0,
        description="Time for which the result is told on the association that asked, seconds; after it on a new one.",
    )
    keep_days: Count = Field(default=90, description="Days for which transactions that are over can be looked up.")
