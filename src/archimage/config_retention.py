"""The settings of how long things are kept: `retention` of `config`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from archimage.config_kinds import AETitles, Count, Modality, Names, Section

Days = Annotated[float, Field(ge=0, le=36_500)]
RuleName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")
]
Hours = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^([01]?[0-9]|2[0-4])-([01]?[0-9]|2[0-4])$")]


class RetentionRule(Section):
    """One rule: of a study all conditions that are given must hold, one value of each list is enough."""

    name: RuleName
    action: Literal["delete", "keep", "move"]
    to: str = ""
    older_than_days: Days = 0.0
    unused_days: Days = 0.0
    used_days: Days = 0.0
    arrived_days: Days = 0.0
    modalities: tuple[Modality, ...] = ()
    labels: Names = ()
    source_ae_titles: AETitles = ()
    stations: Names = ()
    when_full: bool = False

    @model_validator(mode="after")
    def _says_when(self) -> "RetentionRule":
        given = (self.older_than_days, self.unused_days, self.used_days, self.arrived_days, self.modalities)
        if not any((*given, self.labels, self.source_ae_titles, self.stations, self.when_full)):
            raise ValueError(f"rule {self.name!r} needs a condition: without one it would be about every study")
        if bool(self.to) != (self.action == "move"):
            raise ValueError(f"rule {self.name!r}: a move, and nothing else, has a tier that it goes to: to")
        if self.when_full and self.to == "hot":
            raise ValueError(f"rule {self.name!r}: moving to the hot tier makes no room there")
        return self


class RetentionConfig(Section):
    """How long studies are kept (docs/retention.md); legal holds stand above all of it."""

    rule: tuple[RetentionRule, ...] = Field(
        default=(), description="Rules, `[[retention.rule]]` each; of those that fit a study the first decides."
    )
    automatic: bool = Field(
        default=False, description="Carry the rules out by itself; without it only when somebody asks for it."
    )
    every_hours: float = Field(
        default=24.0, gt=0, le=8_760, description="Hours from the beginning of one automatic run to the next."
    )
    hours: Hours = Field(
        default="0-24",
        description="Hours of the day, local time, in which automatic runs work; `22-5` reaches into the morning.",
    )
    studies_per_minute: Count = Field(
        default=60, description="Studies that a run deletes or moves in a minute at most."
    )
    move_bytes_per_s: int = Field(
        default=0, ge=0, description="Bytes that a run moves in a second at most; 0: as fast as it goes."
    )
    spare_days: Days = Field(
        default=7.0,
        description="A study of which something came or was looked at within so many days stays, whatever rules say.",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "RetentionConfig":
        names = [rule.name for rule in self.rule]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {twice[0]!r}")
        return self
