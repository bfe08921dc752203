"""`/api/v1/retention`: the rules of how long studies are kept, what they would delete or move, and what they have."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter

from archimage.config_retention import RetentionRule
from archimage.model.retention import RetentionRun
from archimage.model.tasks import Task
from archimage.model.tiers import TierUse
from archimage.web.api.resources import Services, failing

_RUNS = 20


@dataclass(frozen=True, slots=True)
class RetentionStatus:
    """The rules in their order, how they are carried out, the newest runs, and what is kept of the quota."""

    automatic: bool
    every_hours: float
    hours: str
    studies_per_minute: int
    move_bytes_per_s: int
    """0: as fast as it goes."""
    spare_days: float
    rules: Sequence[Mapping[str, Any]]
    """As the settings have them, without what is left open."""
    runs: Sequence[RetentionRun]
    kept_bytes: int
    """Known where there is a quota, else 0."""
    quota_bytes: int
    """0: there is none."""
    tiers: Sequence[TierUse]
    """What lies where, as the last run has counted it."""


def get_retention(services: Services) -> RetentionStatus:
    """Tell the rules, and how far the newest runs of them are or have come."""
    retention, quota = services.keeping.retention, services.keeping.quota
    settings = retention.settings
    return RetentionStatus(
        automatic=settings.automatic,
        every_hours=settings.every_hours,
        hours=settings.hours,
        studies_per_minute=settings.studies_per_minute,
        move_bytes_per_s=settings.move_bytes_per_s,
        spare_days=settings.spare_days,
        rules=[_told(rule) for rule in settings.rule],
        runs=retention.runs(_RUNS),
        kept_bytes=quota.used_bytes,
        quota_bytes=quota.quota_bytes,
        tiers=services.keeping.tiers.uses(),
    )


def plan_retention(services: Services) -> Task:
    """Work out what a run would delete and move now, without doing it; the plan is the result of the task."""
    return services.keeping.retention.plan_as_task(services.tasks, asdict)


def run_retention(services: Services) -> RetentionRun:
    """Have the rules carried out now, whatever the hours; returns the run, or the one that is at work already."""
    return services.keeping.retention.ask()


def stop_retention(services: Services) -> RetentionRun:
    """Have the run that is at work end after the study at hand."""
    return services.keeping.retention.stop()


def _told(rule: RetentionRule) -> Mapping[str, Any]:
    return rule.model_dump(mode="json", exclude_defaults=True)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["retention"], responses=failing(400, 503))
    one = "/retention"
    found.add_api_route(one, get_retention, methods=["GET"])
    found.add_api_route(f"{one}/plan", plan_retention, methods=["POST"], status_code=202, responses=failing(403))
    found.add_api_route(f"{one}/run", run_retention, methods=["POST"], status_code=202, responses=failing(403, 507))
    found.add_api_route(f"{one}/stop", stop_retention, methods=["POST"], responses=failing(403, 409, 507))
    return found
