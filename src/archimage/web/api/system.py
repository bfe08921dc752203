"""`/api/v1/system`: what runs here, and what it holds."""

from fastapi import APIRouter

from archimage.services.status import SystemStatus
from archimage.web.api.resources import Services, failing


def get_system(services: Services) -> SystemStatus:
    """Tell version, addresses, uptime, room, and how much is kept."""
    return services.status.get()


def router() -> APIRouter:
    """Return the resource."""
    found = APIRouter(tags=["system"])
    found.add_api_route("/system", get_system, methods=["GET"], responses=failing(503))
    return found
