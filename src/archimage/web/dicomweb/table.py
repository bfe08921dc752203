"""Every resource of the web side, gathered from the modules that handle them: the one table all else is made of."""

from typing import Final

from archimage.web.dicomweb import (
    bulkdata,
    capabilities,
    chosen,
    frames,
    gathered,
    metadata,
    qido,
    removal,
    rendered,
    stow,
    subscribers,
    uri,
    wado,
    workitems,
)
from archimage.web.dicomweb.resources import Resource

_SERVED: Final = (
    *qido.RESOURCES,
    *wado.RESOURCES,
    *chosen.RESOURCES,
    *metadata.RESOURCES,
    *frames.RESOURCES,
    *bulkdata.RESOURCES,
    *gathered.RESOURCES,
    *rendered.RESOURCES,
    *uri.RESOURCES,
    *stow.RESOURCES,
    *removal.RESOURCES,
    *workitems.RESOURCES,
    *subscribers.RESOURCES,
)

RESOURCES: Final[tuple[Resource, ...]] = (*_SERVED, *capabilities.resources(_SERVED, uri.RETRIEVE))
