"""The OpenAPI descriptions of the web side: that of DICOMweb, that of the management API, and both in one."""

from typing import Final

from archimage.web import openapi
from archimage.web.api import application as api
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.openapi import Json

_TAG: Final = "DICOMweb"


def of_dicomweb() -> Json:
    """Describe DICOMweb and WADO-URI."""
    return openapi.describe(RESOURCES)


def of_management() -> Json:
    """Describe the management API."""
    return api.describe().openapi()


def of_both() -> Json:
    """Describe both; operations of DICOMweb have a tag that says so."""
    dicomweb, management = of_dicomweb(), of_management()
    for operations in dicomweb["paths"].values():
        for operation in operations.values():
            operation["tags"] = [_TAG]
    information = {**dicomweb["info"], "description": "DICOMweb (DICOM PS3.18) and the management API of the archive."}
    schemas = {**management["components"]["schemas"], **dicomweb["components"]["schemas"]}
    return {
        "openapi": dicomweb["openapi"],
        "info": information,
        "paths": {**management["paths"], **dicomweb["paths"]},
        "components": {"schemas": schemas},
    }
