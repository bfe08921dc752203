"""Where studies are fetched and searched by DICOMweb, as Endpoint resources.

Ref: https://hl7.org/fhir/R4B/endpoint.html.
"""

from collections.abc import Mapping
from typing import Final

from archimage.services.fhir.ids import Resource

CONNECTION_TYPES: Final = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
NAMES: Final[Mapping[str, str]] = {
    "dicom-wado-rs": "DICOMweb retrieval (WADO-RS)",
    "dicom-qido-rs": "DICOMweb search (QIDO-RS)",
    "dicom-stow-rs": "DICOMweb storing (STOW-RS)",
}
"""Endpoints by their id, which is their connection type."""
OF_STUDIES: Final = ("dicom-wado-rs", "dicom-qido-rs")
"""Those that studies refer to."""


def endpoint(name: str, address: str) -> Resource:
    """Return an endpoint; address is that of DICOMweb, as the client sees it."""
    return {
        "resourceType": "Endpoint",
        "id": name,
        "status": "active",
        "connectionType": {"system": CONNECTION_TYPES, "code": name},
        "name": NAMES[name],
        "payloadType": [{"text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": address,
    }


def references() -> list[Resource]:
    """Return references to where studies are."""
    return [{"reference": f"Endpoint/{name}", "type": "Endpoint"} for name in OF_STUDIES]
