"""What the management API stands on, and how its handlers come by it."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from archimage.web.management import ApiServices


async def services_of(request: Request) -> ApiServices:
    """Return the use cases; asynchronous, or it would cost a change of threads."""
    found: ApiServices = request.app.state.services
    return found


Services = Annotated[ApiServices, Depends(services_of)]


@dataclass(frozen=True, slots=True)
class Problem:
    """What every failed request is answered with."""

    error: str
    """What is wrong."""
    next: str
    """What to do next."""


def failing(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the failures of a resource."""
    return {status: {"model": Problem} for status in statuses}
