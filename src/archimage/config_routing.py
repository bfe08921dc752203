"""The settings of what goes where by itself: `routing`, `prefetch` and `sync` (docs/routing.md)."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator, model_validator

from archimage.config_kinds import AETitle, AETitles, Count, Modality, Names, Seconds, Section

ACTIONS: Final = ("send", "stow", "transcode", "deidentify", "label", "notify", "plugin")
"""What a rule can do; each is written `action:whom or what`."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_INSTEAD: Final = {
    "stow": "name him in `routing.authorization`",
    "notify": "receivers know us by what `routing.webhook_secret` signs",
}
_WITH_USER: Final = re.compile(r"https?://[^/?#]*@", re.IGNORECASE)
_HOST: Final = re.compile(r"https?://[^/?#@]+/")
_HOURS: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


def _listed(value: object) -> object:
    """Read a single value as a list of one."""
    return (value,) if isinstance(value, str) else value


Values = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class RuleConfig(Section):
    """One rule: what it looks at, and what is done, in this order."""

    name: Name = Field(description="Name of the rule.")
    on: Literal["instance", "study"] = Field(
        default="study", description="Act on each object as it comes, or on studies once they are complete."
    )
    when: Mapping[str, Values] = Field(
        default={}, description="Keyword or `(gggg,eeee)` to the values of which an object must have one; all must fit."
    )
    unless: Mapping[str, Values] = Field(
        default={}, description="The same of what an object must not have; one that fits keeps the rule from it."
    )
    source: Values = Field(default=(), description="AE titles of senders, `*` and `?` allowed; empty: any.")
    called: Values = Field(
        default=(), description="AE titles that senders call this archive by, `*` and `?` allowed; empty: any."
    )
    hours: Values = Field(default=(), description="Times of the day (`07:00-19:00`) of arrival; empty: any.")
    weekdays: Values = Field(default=(), description="Days (`mon` to `sun`) of arrival; empty: any.")
    quiet_s: Seconds | None = Field(
        default=None, description="Time without a new object after which a study is complete; that of `routing`."
    )
    actions: Values = Field(description="What is done: `send:NODE`, `label:NAME` and so on.")

    @field_validator("hours")
    @classmethod
    def _are_hours(cls, hours: tuple[str, ...]) -> tuple[str, ...]:
        for text in hours:
            if _HOURS.fullmatch(text) is None:
                raise ValueError(f"{text!r} is no time of the day as `07:00-19:00`")
        return hours

    @field_validator("weekdays")
    @classmethod
    def _are_weekdays(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        for day in days:
            if day not in WEEKDAYS:
                raise ValueError(f"{day!r} is no day; {', '.join(WEEKDAYS)} are")
        return days

    @field_validator("actions")
    @classmethod
    def _are_actions(cls, actions: tuple[str, ...]) -> tuple[str, ...]:
        if not actions:
            raise ValueError("a rule does something: name at least one action")
        for text in actions:
            kind, colon, what = text.partition(":")
            if kind not in ACTIONS or not colon or not what.strip():
                raise ValueError(f"{text!r} is no action; `send:NODE` is one, others are {', '.join(ACTIONS)}")
            if kind in _INSTEAD and _WITH_USER.match(what.strip()):
                raise ValueError(f"the address of `{kind}` has a user in it, and is shown: {_INSTEAD[kind]}")
        return actions


class ArchiveConfig(Section):
    """An archive that is reached over the web alone."""

    address: str = Field(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*[^\s?#/])?$",
        description="Address of its DICOMweb service, below which `/studies` lies.",
    )
    authorization: SecretStr = Field(default=SecretStr(""), description="Authorization that it is told; empty: none.")


class RoutingConfig(Section):
    """What is done with objects and studies that come (docs/routing.md)."""

    rule: tuple[RuleConfig, ...] = Field(default=(), description="The rules, in their order; each stands for itself.")
    quiet_s: Seconds = Field(
        default=30.0, description="Time without a new object after which a study is complete, seconds."
    )
    gather_s: Seconds = Field(
        default=0.2, description="Time for which objects are gathered for rules on single objects, seconds."
    )
    associations: int = Field(default=8, ge=1, le=16, description="Associations over which one job sends at once.")
    at_once: int = Field(default=2, ge=1, le=32, description="Jobs that work for one destination at once.")
    attempts: Count = Field(default=12, description="Tries of a job before it has failed; waits between them double.")
    webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="Key of the HMAC-SHA-256 that notifications are signed with."
    )
    authorization: Mapping[str, SecretStr] = Field(
        default={}, description="Beginning of an address that `stow` stores at, to the Authorization that it is told."
    )
    archives: Mapping[AETitle, ArchiveConfig] = Field(
        default={}, description="Name to the DICOMweb address of archives that `stow` and `sync` reach by name."
    )
    webhook_patient_data: bool = Field(
        default=False, description="Tell Patient ID, name and Accession Number in notifications."
    )

    @field_validator("authorization")
    @classmethod
    def _begin_with_hosts(cls, authorization: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for begin in authorization:
            if _HOST.match(begin) is None:
                raise ValueError("each begins with http:// or https://, a host and a slash, or another host fits too")
        return authorization

    @model_validator(mode="after")
    def _names_are_unique(self) -> "RoutingConfig":
        names = [rule.name for rule in self.rule]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules have the name {name!r}")
        return self

    @model_validator(mode="after")
    def _archives_are_there(self) -> "RoutingConfig":
        for rule in self.rule:
            for action in rule.actions:
                kind, _, name = action.partition(":")
                if kind == "stow" and "://" not in name and name.strip() not in self.archives:
                    known = ", ".join(self.archives) or "none"
                    raise ValueError(
                        f"{rule.name!r} stores at {name!r}, which is neither an address that begins with http:// or "
                        f"https:// nor one of routing.archives: {known}"
                    )
        return self


class PrefetchConfig(Section):
    """Fetching a patient's earlier studies before they are asked for (docs/routing.md)."""

    nodes: AETitles = Field(default=(), description="AE titles of nodes that earlier studies come from; empty: none.")
    on: Annotated[Names, Field(description="What has them fetched: `worklist`, `arrival`.")] = ("worklist", "arrival")
    modalities: Annotated[tuple[Modality, ...], BeforeValidator(_listed)] = Field(
        default=(), description="Modalities of the studies to fetch; empty: any."
    )
    same_body_part: bool = Field(default=False, description="Fetch only what shows the same part of the body.")
    age_days: Count = Field(default=1_825, description="Age of a study beyond which it is left where it is, days.")
    studies: Count = Field(default=5, description="Studies of a patient that are fetched, the newest first.")

    @field_validator("on")
    @classmethod
    def _are_known(cls, on: tuple[str, ...]) -> tuple[str, ...]:
        for one in on:
            if one not in {"worklist", "arrival"}:
                raise ValueError(f"{one!r} has nothing fetched; `worklist` and `arrival` do")
        return on


class SyncConfig(Section):
    """Keeping archives alike (docs/routing.md)."""

    nodes: AETitles = Field(
        default=(),
        description="AE titles of nodes, and names of `routing.archives`, that are kept alike by themselves.",
    )
    schedule: str = Field(
        default="0 3 * * *",
        pattern=r"^\S+( \S+){4}$",
        description="When, as cron has it: minute, hour, day, month, weekday; UTC.",
    )
    days: int = Field(default=0, ge=0, description="Studies of the last days are compared; 0: all.")
    direction: Literal["both", "push", "pull"] = Field(
        default="both", description="Copy what is missing `both` ways, `push` it there, or `pull` it here."
    )


__all__ = ["ACTIONS", "WEEKDAYS", "AETitle", "PrefetchConfig", "RoutingConfig", "RuleConfig", "SyncConfig"]
