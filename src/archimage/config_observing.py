"""Settings of what the archive tells of itself."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from archimage.config_kinds import Section

LogLevel = Literal["debug", "info", "warning", "error"]
LogCategory = Literal["association", "dimse", "storage", "index", "web", "task", "error", "security", "plugin"]


class LogConfig(Section):
    """What is told on standard error."""

    level: LogLevel = Field(default="info", description="Least severe event that is told.")
    format: Literal["text", "json"] = Field(
        default="text", description="`text`: key=value; `json`: one JSON object a line."
    )
    levels: Mapping[LogCategory, LogLevel] = Field(
        default={}, description="Category to the least severe event of it that is told, where that is not `log.level`."
    )
    patient_data: bool = Field(
        default=False, description="Tell of whom objects and queries are too: the log then holds patient data."
    )


class NodeNameConfig(Section):
    """This node, where several serve one archive (docs/nodes.md)."""

    name: str = Field(
        default="",
        max_length=64,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Name of this node in log lines, audit messages and answers of the probes; empty: the host's in "
        "audit messages, none elsewhere.",
    )


class TracingConfig(Section):
    """Where a share of all that happens is told as spans (docs/tracing.md)."""

    exporter: Literal["none", "otlp"] = Field(
        default="none", description="`otlp`: tell a collector, over OTLP by HTTP; needs `archimage[tracing]`."
    )
    endpoint: str = Field(
        default="http://127.0.0.1:4318",
        pattern=r"^https?://[^/?#\s@]+(/[^?#\s]*)?$",
        description="Address of the collector, without `/v1/traces`.",
    )
    sample: float = Field(
        default=0.01, ge=0, le=1, description="Share of associations, web requests and tasks that are traced, 0 to 1."
    )
    follow: bool = Field(
        default=True,
        description="Trace what web clients trace (`traceparent`), and not what they do not; else `sample` decides.",
    )
    service: str = Field(
        default="archimage", min_length=1, max_length=64, description="Name of the service that spans are told under."
    )
