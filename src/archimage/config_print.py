"""The settings of the printer that the archive is: `print` of `config`."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from archimage.config_kinds import AETitle, Count, Section

_QUEUE: Final = "[A-Za-z0-9_.][A-Za-z0-9_.-]{0,126}"
Output = Literal["keep", "store", "cups"]
Queue = Annotated[str, StringConstraints(pattern=rf"^{_QUEUE}$")]


class PrintConfig(Section):
    """Films that modalities print here (docs/printing.md)."""

    enabled: bool = Field(default=True, description="Be a printer for those who may print.")
    output: Output = Field(
        default="keep",
        description="Where films go: `keep` (PNG and PDF here), `store` (in the archive too), `cups` (on paper too).",
    )
    queue: str = Field(
        default="", pattern=rf"^({_QUEUE})?$", description="Print queue of CUPS; empty: the default one."
    )
    queues: Mapping[AETitle, Queue] = Field(
        default={}, description="AE title that peers call to the queue of CUPS that it prints on, in place of `queue`."
    )
    dpi: int = Field(default=150, ge=36, le=400, description="Resolution of films, pixels an inch.")
    keep_days: int = Field(default=30, ge=1, le=36_500, description="Days that films are kept once they are printed.")
    max_jobs: Count = Field(default=1_000, description="Print jobs that wait; more are refused.")
    max_session_bytes: int = Field(
        default=256 << 20, ge=1 << 20, le=1 << 30, description="Pixels of one film session, bytes."
    )
    max_image_bytes: int = Field(
        default=64 << 20,
        ge=1 << 20,
        le=512 << 20,
        description="Data set of an image box, bytes; it is held in memory.",
    )
