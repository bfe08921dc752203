"""What can be done here, as a CapabilityStatement, from the table of what is served.

Ref: https://hl7.org/fhir/R4B/capabilitystatement.html.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from archimage import __version__
from archimage.services.fhir.ids import Resource
from archimage.web.fhir.bundles import LISTING
from archimage.web.fhir.calls import Endpoint

FHIR_VERSION: Final = "4.3.0"
_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("birthdate", "started", "authored", "issued"), "date"),
    **dict.fromkeys(("name", "name:contains", "family", "given"), "string"),
    **dict.fromkeys(("patient", "subject", "endpoint", "imaging-study", "based-on"), "reference"),
    **dict.fromkeys(("url", "criteria"), "string"),
}
"""Kinds of search parameters; any other is a token."""
_INTERACTIONS: Final[Mapping[tuple[str, bool], str]] = {
    ("GET", False): "search-type",
    ("GET", True): "read",
    ("POST", False): "create",
    ("PUT", True): "update",
    ("DELETE", True): "delete",
}


def statement(base: str, endpoints: Iterable[Endpoint], includes: Iterable[str]) -> Resource:
    """Return what is served under an address."""
    kinds: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        kind = endpoint.path.split("/")[1]
        if kind[:1].isupper():
            kinds.setdefault(kind, []).append(endpoint)
    resources = [_resource(kind, found, [*includes]) for kind, found in sorted(kinds.items())]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _STARTED,
        "kind": "instance",
        "software": {"name": "archimage", "version": __version__},
        "implementation": {"description": "archimage, a medical image archive", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [{"mode": "server", "resource": resources}],
    }


def _resource(kind: str, endpoints: list[Endpoint], includes: list[str]) -> Resource:
    codes = [_INTERACTIONS[one.method, "{" in one.path] for one in endpoints]
    names = [name for one in endpoints for name in one.parameters if name not in {*LISTING, "_include"}]
    made: Resource = {
        "type": kind,
        "interaction": [{"code": code} for code in codes],
        "versioning": "no-version",
        "conditionalRead": "not-match",
    }
    if "create" in codes:
        made["conditionalCreate"] = kind == "ServiceRequest"
    if found := [one for one in includes if one.startswith(f"{kind}:")]:
        made["searchInclude"] = found
    if names:
        made["searchParam"] = [
            {"name": name, "type": _TYPES.get(name, "token")} for name in names if ":" not in name and "." not in name
        ]
    return made


_STARTED: Final = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
