"""`/api/v1/system`, `/api/v1/settings`: what runs here, what it holds, and how it is set."""

from collections.abc import Sequence

from fastapi import APIRouter

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


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["system"])
    found.add_api_route("/system", get_system, methods=["GET"], responses=failing(503))
    found.add_api_route("/system/growth", get_growth, methods=["GET"], responses=failing(503))
    found.add_api_route("/settings", list_settings, methods=["GET"])
    return found
