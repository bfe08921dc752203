"""`/api/v1/plugins`: the plugins of this archive, how they fare, and whether they are called."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from archimage.errors import NotFoundError
from archimage.model.plugins import PluginStatus
from archimage.services.plugins.service import PluginService
from archimage.web.api.resources import Services, failing

Name = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="Name of the plugin.")]


def list_plugins(services: Services) -> Sequence[PluginStatus]:
    """List the plugins, by name. Counts are of all processes of the archive, states of the one that answers."""
    return () if services.plugins is None else services.plugins.all()


def get_plugin(name: Name, services: Services) -> PluginStatus:
    """Tell how one plugin fares."""
    return _plugins(services).get(name)


def enable_plugin(name: Name, services: Services) -> PluginStatus:
    """Have a plugin called again, by all processes of the archive; each loads it anew, also if it was not disabled."""
    return _plugins(services).enable(name)


def disable_plugin(name: Name, services: Services) -> PluginStatus:
    """Have a plugin called no more, by all processes of the archive, until it is enabled again."""
    return _plugins(services).disable(name)


def _plugins(services: Services) -> PluginService:
    if services.plugins is None:
        raise NotFoundError("there is no plugin", next_step="Name a folder or packages in the settings of plugins.")
    return services.plugins


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["plugins"], responses=failing(400, 403, 503))
    one = "/plugins/{name}"
    found.add_api_route("/plugins", list_plugins, methods=["GET"])
    found.add_api_route(one, get_plugin, methods=["GET"], responses=failing(404))
    found.add_api_route(f"{one}/enable", enable_plugin, methods=["POST"], responses=failing(404, 507))
    found.add_api_route(f"{one}/disable", disable_plugin, methods=["POST"], responses=failing(404, 507))
    return found
