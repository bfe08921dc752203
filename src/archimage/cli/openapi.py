"""`archimage openapi`: the description of the web side, for generators of clients."""

from typing import Annotated

import typer

from archimage.cli.output import print_json
from archimage.errors import ConfigError

DicomWeb = Annotated[bool, typer.Option("--dicomweb", help="Only DICOMweb and WADO-URI.")]
Management = Annotated[bool, typer.Option("--management", help="Only the management API.")]


def openapi(dicomweb: DicomWeb = False, management: Management = False) -> None:
    """Print the OpenAPI description of DICOMweb and the management API, as JSON; no server is needed."""
    from archimage.web import description

    if dicomweb and management:
        raise ConfigError("--dicomweb and --management: choose one, or none for both")
    if dicomweb:
        print_json(description.of_dicomweb())
    elif management:
        print_json(description.of_management())
    else:
        print_json(description.of_both())
