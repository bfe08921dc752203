"""What FHIR answers, validated by `fhir.resources`."""

from typing import Any
from urllib.parse import urlsplit

from fhir.resources.R4B import get_fhir_model_class

from tests.web.serving import Answer, Client

JSON = "application/fhir+json"


def valid(answer: Answer, status: int = 200) -> Any:
    """Assert that an answer is a valid resource; return it."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == JSON
    found = answer.json
    get_fhir_model_class(found["resourceType"]).model_validate(found)
    return found


def refused(answer: Answer, status: int) -> str:
    """Assert that an answer is an OperationOutcome; return what it says."""
    found = valid(answer, status)
    assert found["resourceType"] == "OperationOutcome"
    return str(found["issue"][0]["diagnostics"])


def matches(client: Client, search: str) -> list[Any]:
    """Return the matches of a search, all pages of it."""
    found, address, total = [], f"/fhir/{search}", None
    while address:
        bundle = valid(client.ask(address))
        total = bundle["total"]
        found += [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "match"]
        parts = urlsplit(link(bundle, "next"))
        address = f"{parts.path}?{parts.query}" if parts.path else ""
    assert len(found) == total
    return found


def link(bundle: Any, relation: str) -> str:
    """Return a link of a bundle, empty where it has none."""
    return next((str(one["url"]) for one in bundle["link"] if one["relation"] == relation), "")
