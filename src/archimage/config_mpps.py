"""The settings of performed procedure steps, and of telling that instances are here: `mpps` and `availability`."""

from pydantic import Field

from archimage.config_kinds import AETitles, Seconds, Section


class MppsConfig(Section):
    """Performed procedure steps (docs/mpps.md)."""

    forward: AETitles = Field(
        default=(),
        description="AE titles of nodes to which performed procedure steps go on as they come (N-CREATE, N-SET).",
    )
    notify: AETitles = Field(
        default=(), description="AE titles of nodes that hear when a step begins, changes or ends (N-EVENT-REPORT)."
    )


class AvailabilityConfig(Section):
    """Instance Availability Notification (docs/mpps.md)."""

    notify: AETitles = Field(
        default=(), description="AE titles of nodes that hear which instances of a study are here (N-CREATE)."
    )
    quiet_s: Seconds = Field(
        default=300.0, description="Time for which nothing of a study may have come before they hear of it, seconds."
    )
