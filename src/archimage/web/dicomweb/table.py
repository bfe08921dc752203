"""Every resource of the web side, gathered from the modules that handle them: the one table all else is made of."""

from typing import Final

from archimage.web.dicomweb import qido, removal, stow
from archimage.web.dicomweb.resources import Resource

RESOURCES: Final[tuple[Resource, ...]] = (*qido.RESOURCES, *stow.RESOURCES, *removal.RESOURCES)
