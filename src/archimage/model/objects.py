"""Objects that are about no patient: hanging protocols, palettes, protocols, inventories, templates.

Ref: PS3.4 Annex GG (Non-Patient Object Storage).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TITLES = ("00720002", "00700080", "00181030", "00686226", "00681620")
"""Hanging Protocol Name, Content Label, Protocol Name, and the names of implants and their assemblies."""


@dataclass(frozen=True, slots=True)
class KeptObject:
    """One object; model is its data set as DICOM JSON Model, large binary values left out.

    size_bytes and digest (xxh3-128) are those of its data set as it came; received_at: seconds since 1970, UTC.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    digest: bytes = field(repr=False)
    received_at: float
    source_ae_title: str
    model: Mapping[str, Any] = field(repr=False)
    id: int = 0

    @property
    def title(self) -> str:
        """What it calls itself; empty where it says nothing."""
        named = (self.model.get(tag, {}).get("Value", [""])[0] for tag in _TITLES)
        return next((str(one) for one in named if one), "")
