"""What `archimage doctor` finds: one line each, with what to do about it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; next_step says what to do where it is not well."""

    check: str
    subject: str
    state: State
    message: str
    next_step: str = ""
