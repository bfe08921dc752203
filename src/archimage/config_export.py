"""The settings of exports: `export` of `config`."""

from typing import Annotated

from pydantic import Field, StringConstraints

from archimage.config_kinds import Section


class ExportConfig(Section):
    """Studies that are written into ZIP archives for people to take away (docs/jobs.md)."""

    directory: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        default="exports",
        description="Where exports are written, from `storage.directory` on; what several nodes share, if there are.",
    )
    keep_hours: float = Field(
        default=72.0, gt=0, le=8_760, description="Hours after which an export is removed that was made."
    )
