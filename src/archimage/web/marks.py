"""What whoever handles a request leaves in its scope, for those around him to tell."""

from typing import Final

NAMED: Final = "archimage.named"
"""What an address names by an identifier of Orthanc: a `model.hashed.Named`, once it was found."""
REFUSED: Final = "archimage.refused"
"""Why a request was not let in, in words, where its status does not say so."""
