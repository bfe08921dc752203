"""`/api/v1/system`, `/settings`, `/concurrency`: what runs here, what it holds, how it is set, and what is full."""

from collections.abc import Sequence

from fastapi import APIRouter

from archimage.model.concurrency import ConcurrencyReport
from archimage.services.status import Growth, SystemStatus
from archimage.settings import Setting
from archimage.web.api.resources import Services, failing


def get_system(services: Services) -> SystemStatus:
    """Tell version, addresses, uptime, room, and how much is kept."""
    return services.status.get()


def get_growth(services: Services) -> Growth:
    """Tell how much came in the last day, the last 7 and the last 30 days; at most a minute old."""
    return services.status.growth()


def list_settings(services: Services) -> Sequence[Setting]:
    """List every setting with its default and where it came from; secrets are masked."""
    return services.status.settings()


async def get_concurrency(services: Services) -> ConcurrencyReport:
    """Tell every pool, queue, limit and cache: its size, how much is in use, and what happens when it is full.

    It is told of the process that answers, which `pid` names. With `dicom.workers` there are several equal ones, each
    with its own, and any of them may answer; only what is `shared` is one thing for all. docs/concurrency.md has the
    same table with the default sizes.
    """
    return services.concurrency()  # in the event loop: it tells even where no thread is free


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["system"])
    found.add_api_route("/system", get_system, methods=["GET"], responses=failing(503))
    found.add_api_route("/system/growth", get_growth, methods=["GET"], responses=failing(503))
    found.add_api_route("/concurrency", get_concurrency, methods=["GET"])
    found.add_api_route("/settings", list_settings, methods=["GET"])
    return found
