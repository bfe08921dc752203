"""The settings of work items: `ups` of `config`."""

from pydantic import Field

from archimage.config_kinds import Count, Section


class UpsConfig(Section):
    """Work items (docs/ups.md): how many are kept, how long, with their events, and how many may subscribe."""

    kept_days: float = Field(
        default=30.0,
        ge=0,
        le=36_500,
        description="Days for which a work item is kept after its end; one with a deletion lock is kept longer.",
    )
    max_items: Count = Field(
        default=100_000,
        description="Work items that are kept at most, those that are over among them; more are refused.",
    )
    events_kept_hours: float = Field(
        default=24.0,
        gt=0,
        le=8_760,
        description="Hours for which events wait for a subscriber who is not connected by WebSocket.",
    )
    max_events: Count = Field(
        default=10_000, description="Events that wait for one such subscriber at most; the oldest are forgotten."
    )
    max_subscriptions: Count = Field(
        default=10_000, description="Subscriptions at most, to single work items and to all of them together."
    )
