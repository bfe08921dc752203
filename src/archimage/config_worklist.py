"""Settings of the modality worklist."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from archimage.config_kinds import AETitles, Count, Modality, Seconds, Section

Days = Annotated[int, Field(ge=0, le=36_500)]


class WorklistConfig(Section):
    """The modality worklist (docs/worklist.md)."""

    own_station: bool = Field(
        default=False,
        description="Tell a modality that asks for no station what is scheduled for its own AE title alone.",
    )
    expire_days: Days = Field(
        default=1, description="Days after the scheduled one until whose end a step is told to modalities."
    )
    forget_days: Days = Field(default=30, description="Days after that until an entry is forgotten.")
    max_entries: Count = Field(default=100_000, description="Entries that are kept; more are refused.")
    stations: Mapping[Modality, AETitles] = Field(
        default={},
        description="Modality to the AE titles that its steps are for, where an order names none; `*`: all others.",
    )
    directory: str = Field(
        default="",
        description="Directory of worklist files, as wlmscpfs has them; its entries are those of the worklist too.",
    )
    look_every_s: Seconds = Field(default=10.0, description="How often the directory is looked at, seconds.")
