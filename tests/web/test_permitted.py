"""What each address is to access control."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.routing import Route

from archimage.model.access import Operation
from archimage.web.api.application import routers
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.fhir import application as fhir
from archimage.web.management import ROOT
from archimage.web.ohif.installed import Installation
from archimage.web.orthanc.application import ENDPOINTS
from archimage.web.pages import application as pages
from archimage.web.permitted import operation_of


def served() -> Iterator[tuple[str, str]]:
    """Yield every method and address that is served, as templates."""
    yield from ((one.method, one.address) for one in RESOURCES)
    yield from ((one.method, one.path) for one in ENDPOINTS)
    yield from ((one.method, one.address) for one in fhir.ENDPOINTS)
    for router in routers():
        for route in router.routes:
            assert isinstance(route, Route)
            yield from ((method, ROOT + route.path) for method in route.methods or ())
    nothing: Any = None  # the routes of pages are asked for, none of which is called
    for route in pages.build(nothing, nothing, Installation(Path("viewer")), "").routes:
        assert isinstance(route, Route)
        yield "GET", route.path


def test_everything_that_is_served_is_an_operation_or_said_to_be_none() -> None:
    assert [address for address in served() if operation_of(*address) is None] == []


def test_what_is_given_to_everybody_is_this() -> None:
    free = {route for method, route in served() if operation_of(method, route) == "free"}
    assert free == {"/static/{version}/{name}", "/ohif", "/ohif/{path:path}"}


def test_what_changes_something_needs_more_than_a_search() -> None:
    reading = {Operation.QUERY, Operation.RETRIEVE, "free"}
    asking = {
        "/tools/find",
        "/tools/lookup",
        "/api/v1/nodes/{ae_title:path}/query",
        "/api/v1/shares",
        "/api/v1/jobs/export",
    }
    for method, route in served():
        if method not in {"GET", "HEAD", "OPTIONS"} and route not in asking:
            assert operation_of(method, route) not in reading, (method, route)


def test_what_is_somebodys_own_stands_below_me_or_has_to_do_with_logging_in() -> None:
    own = {route for method, route in served() if operation_of(method, route) == "own"}
    assert {route for route in own if not route.startswith(f"{ROOT}/me")} == {
        *("/me", "/login", "/login/oidc", "/login/oidc/callback", "/logout", "/share/{secret}")
    }


def test_pixels_and_headers_need_more_than_a_search_everywhere() -> None:
    for route in ("/dicom-web/studies/{study}", "/instances/{id}/file", "/instances/{id}/content", "/wado", "/viewer"):
        assert operation_of("GET", route) is Operation.RETRIEVE
    assert operation_of("HEAD", "/series/{id}/archive") is Operation.RETRIEVE


def test_an_address_that_nobody_has_given_a_row_is_no_operation() -> None:
    for address in (("GET", "/api/v1/new"), ("POST", "/"), ("PATCH", "/studies/{id}"), ("GET", "/elsewhere")):
        assert operation_of(*address) is None
