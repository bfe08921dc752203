"""Kinds of values that settings have, and what every section of them is."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    """Read the environment's `A,B` as a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _check_ae_title(text: str) -> str:
    """Let through what PS3.5 §6.2 allows."""
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", text):
        raise ValueError("an AE title is 1 to 16 printable ASCII characters, no backslash")
    return text


def _check_modality(text: str) -> str:
    """Let through a modality (PS3.3 §C.7.3.1.1.1), in upper case, or the asterisk of all others."""
    if not re.fullmatch(r"\*|[A-Z0-9_ ]{1,16}", text.upper()):
        raise ValueError("a modality is 1 to 16 letters, digits, spaces and underscores; or `*` for all others")
    return text.upper()


def _check_networks(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        try:
            ipaddress.ip_network(name)
        except ValueError:
            raise ValueError(f"{name!r} is no IP address, and no network like 192.0.2.0/24") from None
    return names


AETitle = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_ae_title)]
AETitles = Annotated[tuple[AETitle, ...], NoDecode, BeforeValidator(_split)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[Names, AfterValidator(_check_networks)]
Modality = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_modality)]
Host = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
ListenPort = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


PROXY_FROM: Networks = Field(
    default=(),
    description="Addresses and networks of balancers: what comes from there begins with a PROXY header, which tells "
    "whom it is from (docs/nodes.md).",
)
"""The setting, alike of every listener."""
