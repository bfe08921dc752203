"""What each address is to the audit trail."""

from collections.abc import Iterator

from archimage.web.api.application import routers
from archimage.web.audited import act_of
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.fhir import application as fhir
from archimage.web.management import ROOT
from archimage.web.orthanc.application import ENDPOINTS


def _routes() -> Iterator[tuple[str, str]]:
    """Every method and address that is served, as templates."""
    yield from ((one.method, one.address) for one in RESOURCES)
    yield from ((one.method, one.path) for one in ENDPOINTS)
    yield from ((one.method, one.address) for one in fhir.ENDPOINTS)
    for router in routers():
        for route in router.routes:
            for method in route.methods:  # type: ignore[attr-defined]
                yield method, ROOT + route.path  # type: ignore[attr-defined]


_OF_USERS = {f"/api/v1/{name}" for name in ("users", "users/{name}", "tokens", "shares", "sessions", "me")} | {
    f"/api/v1/me/{name}" for name in ("tokens", "shares", "sessions")
}
_TOLD_BY_ITSELF = {
    *(
        "/api/v1/labels",
        "/api/v1/holds",
        "/api/v1/retention",
        "/api/v1/messages",
        "/api/v1/print/jobs",
        "/api/v1/changes",
        "/api/v1/changes/{number}",
        "/api/v1/commitments",
        "/api/v1/objects",
        "/api/v1/commitments/{number}",
        "/api/v1/performed-steps/counts",
        "/api/v1/deliveries",
        "/api/v1/plugins",
        "/api/v1/plugins/{name}",
        "/api/v1/deliveries/counts",
        "/api/v1/jobs",
        "/api/v1/jobs/counts",
        "/api/v1/jobs/paused",
        "/api/v1/routing/rules",
        "/api/v1/routing/studies",
        "/api/v1/nodes",
        "/api/v1/nodes/{ae_title:path}",
    ),
    *("/api/v1/associations", "/api/v1/associations/ended", "/api/v1/system", "/api/v1/system/growth"),
    *("/api/v1/concurrency", "/api/v1/settings", "/api/v1/tasks", "/api/v1/tasks/{task_id}", "/api/v1/events"),
    *(
        "/api/v1/audit",
        "/api/v1/access",
        *_OF_USERS,
        "/system",
        "/statistics",
        "/modalities",
        "/dicom-web",
        "/dicom-web/",
    ),
    *("/fhir/metadata", "/fhir/Endpoint", "/fhir/Subscription"),
}
"""What gives nothing of a patient's images, or tells the trail itself."""


def test_whatever_gives_something_is_told() -> None:
    silent = {route for method, route in _routes() if act_of(method, route) == "nothing"}
    assert silent == _TOLD_BY_ITSELF


def test_searches_and_what_they_find_are_told_apart() -> None:
    told = {(method, route): act_of(method, route) for method, route in _routes()}
    assert told["GET", "/dicom-web/studies"] == "search"
    assert told["GET", "/dicom-web/studies/{study}/series/count"] == "search"
    assert told["GET", "/dicom-web/studies/{study}"] == "sent"
    assert told["GET", "/dicom-web/studies/{study}/metadata"] == "accessed"
    assert told["GET", "/dicom-web/archive"] == "exported"
    assert told["GET", "/wado"] == "accessed"
    assert told["GET", "/studies/{id}/archive"] == "exported"
    assert told["GET", "/instances/{id}/preview"] == "opened"
    assert told["POST", "/tools/find"] == "search"
    assert told["GET", "/api/v1/studies/{study_uid}/series"] == "accessed"
    assert told["GET", "/fhir/ImagingStudy"] == told["GET", "/fhir/ServiceRequest"] == "search"
    assert told["GET", "/fhir/ImagingStudy/{study_uid}"] == "accessed"
    assert told["GET", "/fhir/Patient/{id}"] == "opened"
    assert told["POST", "/dicom-web/studies"] == told["DELETE", "/api/v1/studies/{study_uid}"] == "elsewhere"
