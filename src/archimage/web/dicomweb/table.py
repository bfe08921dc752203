"""Every resource of the web side, gathered from the modules that handle them: the one table all else is made of."""

from typing import Final

from archimage.web.dicomweb import qido
from archimage.web.dicomweb.resources import Resource

RESOURCES: Final[tuple[Resource, ...]] = (*qido.RESOURCES,)
