"""What each address is to access control: which operation, of which everybody who asks needs a grant.

Every part of the web side asks here once it knows which of its addresses is meant, before it does anything; from there
on the request sees no more than it was granted. A test fails when something is served that has no row.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.errors import ArchimageError, NotAuthenticatedError, NotAuthorisedError
from archimage.model import callers
from archimage.model.access import NOBODY, Grant, Operation, Principal
from archimage.model.attributes import Level
from archimage.services.access import AccessService
from archimage.services.visible import VisibleIndex
from archimage.web import errors
from archimage.web.audited import uids_of, variables_of
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.identified import UNPROVED
from archimage.web.management import FHIR, ROOT
from archimage.web.metrics import PATH as METRICS

Free = Literal["free", "own", "known"]
"""What needs no operation: given to everybody; a user's own, which each looks at himself; or given to everybody who may
do anything at all."""
_NODE: Final = f"{ROOT}/nodes/{{ae_title:path}}"
_NOTHING: Final = Grant(within=((),))

_QUERY: Final = Operation.QUERY
_ADMINISTER: Final = Operation.ADMINISTER
_WORKLIST: Final[Mapping[tuple[str, str], Operation | Free]] = {
    ("GET", "/workitems"): Operation.WORKLIST,
    ("GET", "/performed-steps"): Operation.WORKLIST,
    ("POST", "/performed-steps"): Operation.WORKLIST,
    ("GET", "/performed-steps/counts"): Operation.WORKLIST,
    ("GET", "/performed-steps/{step_uid}"): Operation.WORKLIST,
    ("PATCH", "/performed-steps/{step_uid}"): Operation.WORKLIST,
    ("POST", "/performed-steps/{step_uid}/discontinue"): Operation.WORKLIST,
    ("GET", "/deliveries"): _ADMINISTER,
    ("GET", "/deliveries/counts"): _ADMINISTER,
    ("GET", "/deliveries/{number}"): _ADMINISTER,
    ("POST", "/deliveries/{number}/retry"): _ADMINISTER,
    ("POST", "/deliveries/{number}/pause"): _ADMINISTER,
    ("POST", "/deliveries/{number}/resume"): _ADMINISTER,
    ("DELETE", "/deliveries/{number}"): _ADMINISTER,
    ("GET", "/routing/rules"): _ADMINISTER,
    ("GET", "/routing/studies"): _ADMINISTER,
    ("GET", "/worklist"): Operation.WORKLIST,
    ("POST", "/worklist"): Operation.WORKLIST,
    ("GET", "/worklist/{key}"): Operation.WORKLIST,
    ("PATCH", "/worklist/{key}"): Operation.WORKLIST,
    ("DELETE", "/worklist/{key}"): Operation.WORKLIST,
    ("PUT", "/worklist/{key}/state"): Operation.WORKLIST,
}
_API: Final[Mapping[tuple[str, str], Operation | Free]] = {
    ("GET", "/patients"): _QUERY,
    ("GET", "/studies"): _QUERY,
    ("GET", "/studies/{study_uid}"): _QUERY,
    ("GET", "/studies/{study_uid}/series"): _QUERY,
    ("GET", "/studies/{study_uid}/series/{series_uid}/instances"): _QUERY,
    ("GET", "/instances/{sop_uid}"): _QUERY,
    ("GET", "/instances/{sop_uid}/tags"): Operation.RETRIEVE,
    ("GET", "/instances/{sop_uid}/signatures"): Operation.RETRIEVE,
    ("GET", "/studies/{study_uid}/signatures"): Operation.RETRIEVE,
    ("DELETE", "/studies/{study_uid}"): Operation.DELETE,
    ("DELETE", "/studies/{study_uid}/series/{series_uid}"): Operation.DELETE,
    ("DELETE", "/instances/{sop_uid}"): Operation.DELETE,
    ("GET", "/holds"): Operation.HOLD,
    ("GET", "/retention"): _ADMINISTER,
    ("POST", "/retention/plan"): _ADMINISTER,
    ("POST", "/retention/run"): _ADMINISTER,
    ("POST", "/retention/stop"): _ADMINISTER,
    ("GET", "/studies/{study_uid}/hold"): _QUERY,
    ("PUT", "/studies/{study_uid}/hold"): Operation.HOLD,
    ("DELETE", "/studies/{study_uid}/hold"): Operation.HOLD,
    ("GET", "/labels"): _QUERY,
    ("POST", "/studies/{study_uid}/deidentified"): Operation.MODIFY,
    ("GET", "/studies/{study_uid}/deidentified/archive"): Operation.RETRIEVE,
    ("PUT", "/studies/{study_uid}/labels/{name}"): Operation.MODIFY,
    ("DELETE", "/studies/{study_uid}/labels/{name}"): Operation.MODIFY,
    ("GET", "/messages"): Operation.MODIFY,
    ("GET", "/messages/{number}"): Operation.MODIFY,
    ("POST", "/messages/{number}/retry"): Operation.MODIFY,
    ("POST", "/messages/{number}/discard"): Operation.MODIFY,
    ("GET", "/patient-links"): _QUERY,
    ("GET", "/reports"): _QUERY,
    ("GET", "/reports/{number}"): _QUERY,
    ("POST", "/changes/preview"): Operation.MODIFY,
    ("POST", "/changes"): Operation.MODIFY,
    ("GET", "/changes"): Operation.MODIFY,
    ("GET", "/changes/{number}"): Operation.MODIFY,
    ("POST", "/changes/{number}/cancel"): Operation.MODIFY,
    ("POST", "/changes/{number}/resume"): Operation.MODIFY,
    ("POST", "/upload"): Operation.STORE,
    ("GET", "/nodes"): "known",
    ("POST", "/nodes"): _ADMINISTER,
    ("GET", "/associations"): _ADMINISTER,
    ("GET", "/associations/ended"): _ADMINISTER,
    ("DELETE", "/associations/{association_id}"): _ADMINISTER,
    ("GET", "/objects"): _QUERY,
    ("GET", "/objects/{sop_uid}"): _QUERY,
    ("DELETE", "/objects/{sop_uid}"): Operation.DELETE,
    ("GET", "/commitments"): _ADMINISTER,
    ("GET", "/commitments/{number}"): _ADMINISTER,
    ("POST", "/commitments/{number}/report"): _ADMINISTER,
    ("DELETE", "/commitments/{number}"): _ADMINISTER,
    ("GET", "/system"): "known",
    ("GET", "/system/growth"): "known",
    ("GET", "/concurrency"): _ADMINISTER,
    ("GET", "/plugins"): _ADMINISTER,
    ("GET", "/plugins/{name}"): _ADMINISTER,
    ("POST", "/plugins/{name}/enable"): _ADMINISTER,
    ("POST", "/plugins/{name}/disable"): _ADMINISTER,
    ("GET", "/settings"): _ADMINISTER,
    ("GET", "/print/jobs"): Operation.PRINT,
    ("GET", "/print/jobs/{uid}"): Operation.PRINT,
    ("DELETE", "/print/jobs/{uid}"): Operation.PRINT,
    ("POST", "/print/jobs/{uid}/reprint"): Operation.PRINT,
    ("POST", "/print/jobs/{uid}/cancel"): Operation.PRINT,
    ("GET", "/print/jobs/{uid}/pdf"): Operation.PRINT,
    ("GET", "/print/jobs/{uid}/films/{number}/png"): Operation.PRINT,
    ("GET", "/print/jobs/{uid}/films/{number}/pdf"): Operation.PRINT,
    ("GET", "/jobs"): _ADMINISTER,
    ("GET", "/jobs/counts"): _ADMINISTER,
    ("GET", "/jobs/paused"): _ADMINISTER,
    ("POST", "/jobs/pause"): _ADMINISTER,
    ("POST", "/jobs/resume"): _ADMINISTER,
    ("POST", "/jobs/compress"): _ADMINISTER,
    ("POST", "/jobs/verify"): _ADMINISTER,
    ("POST", "/jobs/tier"): _ADMINISTER,
    ("POST", "/jobs/export"): Operation.RETRIEVE,
    ("GET", "/jobs/{number}"): _ADMINISTER,
    ("GET", "/jobs/{number}/export"): Operation.RETRIEVE,
    ("POST", "/jobs/{number}/cancel"): _ADMINISTER,
    ("POST", "/jobs/{number}/pause"): _ADMINISTER,
    ("POST", "/jobs/{number}/resume"): _ADMINISTER,
    ("POST", "/jobs/{number}/retry"): _ADMINISTER,
    ("GET", "/tasks"): "known",
    ("GET", "/tasks/{task_id}"): "known",
    ("POST", "/tasks/{task_id}/cancel"): "known",
    ("GET", "/events"): _QUERY,
    ("GET", "/audit"): Operation.AUDIT,
    ("GET", "/access"): _ADMINISTER,
    ("PUT", "/access"): _ADMINISTER,
    ("POST", "/access/explain"): _ADMINISTER,
    ("GET", "/me"): "own",
    ("PUT", "/me/password"): "own",
    ("GET", "/me/tokens"): "own",
    ("POST", "/me/tokens"): "own",
    ("DELETE", "/me/tokens/{token_id}"): "own",
    ("GET", "/me/shares"): "own",
    ("DELETE", "/me/shares/{share_id}"): "own",
    ("GET", "/me/sessions"): "own",
    ("DELETE", "/me/sessions/{session_id}"): "own",
    ("GET", "/users"): _ADMINISTER,
    ("POST", "/users"): _ADMINISTER,
    ("GET", "/users/{name}"): _ADMINISTER,
    ("PATCH", "/users/{name}"): _ADMINISTER,
    ("DELETE", "/users/{name}"): _ADMINISTER,
    ("DELETE", "/users/{name}/sessions"): _ADMINISTER,
    ("GET", "/tokens"): _ADMINISTER,
    ("POST", "/tokens"): _ADMINISTER,
    ("DELETE", "/tokens/{token_id}"): _ADMINISTER,
    ("GET", "/shares"): _ADMINISTER,
    ("POST", "/shares"): Operation.RETRIEVE,
    ("DELETE", "/shares/{share_id}"): _ADMINISTER,
    ("GET", "/sessions"): _ADMINISTER,
    ("DELETE", "/sessions/{session_id}"): _ADMINISTER,
    **_WORKLIST,
}
_NODES: Final[Mapping[tuple[str, str], Operation | Free]] = {
    ("GET", _NODE): "known",
    ("PUT", _NODE): _ADMINISTER,
    ("DELETE", _NODE): _ADMINISTER,
    ("POST", f"{_NODE}/echo"): Operation.ECHO,
    ("POST", f"{_NODE}/query"): _QUERY,
    ("POST", f"{_NODE}/retrieve"): Operation.STORE,
    ("POST", f"{_NODE}/send"): Operation.MOVE_TO,
    ("POST", f"{_NODE}/commitment"): Operation.MOVE_TO,
}
_PAGES: Final[Mapping[str, Operation | Free]] = {
    "/": _QUERY,
    "/studies/{uid}": _QUERY,
    "/viewer": Operation.RETRIEVE,
    "/upload": Operation.STORE,
    "/nodes": "known",
    "/query": _QUERY,
    "/activity": "known",
    "/jobs": _ADMINISTER,
    "/retention": "known",
    "/changes": Operation.MODIFY,
    "/performed-steps": Operation.WORKLIST,
    "/workitems": Operation.WORKLIST,
    "/deliveries": _ADMINISTER,
    "/routing": _ADMINISTER,
    "/commitments": _ADMINISTER,
    "/objects": _QUERY,
    "/print": Operation.PRINT,
    "/messages": Operation.MODIFY,
    "/system": "known",
    "/concurrency": _ADMINISTER,
    "/plugins": _ADMINISTER,
    "/access": _ADMINISTER,
    "/department": "known",
    "/worklist": Operation.WORKLIST,
    "/docs": "known",
    "/static/{version}/{name}": "free",
    "/ohif": "free",
    "/ohif/{path:path}": "free",
    "/ohif/{path}": "free",
    "/openapi.json": "free",
    METRICS: "known",
    "/users": _ADMINISTER,
    "/me": "own",
    "/login": "own",
    "/login/oidc": "own",
    "/login/oidc/callback": "own",
    "/logout": "own",
    "/share/{secret}": "own",
}
_ORTHANC: Final[Mapping[tuple[str, str], Operation | Free]] = {
    ("GET", "/system"): "known",
    ("GET", "/statistics"): "known",
    ("GET", "/modalities"): "known",
    ("POST", "/modalities/{name}/echo"): Operation.ECHO,
    ("POST", "/instances"): Operation.STORE,
    ("POST", "/tools/find"): _QUERY,
    ("POST", "/tools/lookup"): _QUERY,
}
_FHIR: Final[Mapping[tuple[str, str], Operation | Free]] = {
    ("GET", "/metadata"): "known",
    ("GET", "/Patient"): _QUERY,
    ("GET", "/Patient/{id}"): _QUERY,
    ("GET", "/ImagingStudy"): _QUERY,
    ("GET", "/ImagingStudy/{study_uid}"): _QUERY,
    ("GET", "/ServiceRequest"): Operation.WORKLIST,
    ("POST", "/ServiceRequest"): Operation.WORKLIST,
    ("GET", "/ServiceRequest/{id}"): Operation.WORKLIST,
    ("PUT", "/ServiceRequest/{id}"): Operation.WORKLIST,
    ("GET", "/DiagnosticReport"): _QUERY,
    ("POST", "/DiagnosticReport"): Operation.STORE,
    ("GET", "/DiagnosticReport/{id}"): _QUERY,
    ("GET", "/Subscription"): _ADMINISTER,
    ("POST", "/Subscription"): _ADMINISTER,
    ("GET", "/Subscription/{id}"): _ADMINISTER,
    ("PUT", "/Subscription/{id}"): _ADMINISTER,
    ("DELETE", "/Subscription/{id}"): _ADMINISTER,
    ("GET", "/Endpoint"): "known",
    ("GET", "/Endpoint/{id}"): "known",
}
_OF_OBJECTS: Final = ("/patients", "/studies", "/series", "/instances")
_OF_PIXELS: Final = ("/archive", "/file", "/tags", "/simplified-tags", "/preview", "/frames")
_WHOLE: Final = frozenset(
    {
        ("GET", f"{ROOT}/holds"),
        ("GET", f"{ROOT}/objects"),
        ("GET", f"{ROOT}/objects/{{sop_uid}}"),
        ("DELETE", f"{ROOT}/objects/{{sop_uid}}"),
        ("GET", f"{ROOT}/performed-steps/counts"),
        ("GET", f"{ROOT}/changes"),
        ("GET", f"{ROOT}/changes/{{number}}"),
        ("POST", f"{ROOT}/changes/{{number}}/cancel"),
        ("POST", f"{ROOT}/changes/{{number}}/resume"),
        ("GET", f"{ROOT}/messages"),
        ("GET", f"{ROOT}/messages/{{number}}"),
        ("POST", f"{ROOT}/messages/{{number}}/retry"),
        ("POST", f"{ROOT}/messages/{{number}}/discard"),
        ("GET", f"{ROOT}/patient-links"),
        ("POST", f"{ROOT}/studies/{{study_uid}}/deidentified"),
        ("POST", f"{_NODE}/query"),
        ("POST", f"{_NODE}/retrieve"),
        *((method, f"{FHIR}{route}") for (method, route) in _FHIR if route.startswith("/Subscription")),
    }
)
"""What is of no part of the archive, and so for nobody who was granted a part alone."""


def operation_of(method: str, route: str) -> Operation | Free | None:
    """Return what an address is, by its method and template; None for one that nobody has given a row."""
    method = "GET" if method == "HEAD" else method
    if route.startswith(ROOT):
        found = _API.get((method, route.removeprefix(ROOT)))
        return found or _NODES.get((method, route))
    if route.startswith(FHIR):
        return _FHIR.get((method, route.removeprefix(FHIR)))
    if (method, route) in _DICOMWEB:
        return _DICOMWEB[method, route]
    if method == "GET" and route in _PAGES:
        return _PAGES[route]
    return _of_orthanc(method, route)


def _of_dicomweb(name: str) -> Operation | Free:
    if "Capabilities" in name:
        return "known"
    if "Workitem" in name:
        return Operation.WORKLIST
    kinds = {"Search": _QUERY, "Count": _QUERY, "Store": Operation.STORE, "Delete": Operation.DELETE}
    return next((kind for start, kind in kinds.items() if name.startswith(start)), Operation.RETRIEVE)


_DICOMWEB: Final = {(one.method, one.address): _of_dicomweb(one.name) for one in RESOURCES}


def _of_orthanc(method: str, route: str) -> Operation | Free | None:
    if (method, route) in _ORTHANC:
        return _ORTHANC[method, route]
    if not route.startswith(_OF_OBJECTS):
        return None
    if "/labels/" in route:
        return Operation.MODIFY
    if method == "GET":
        of_pixels = route.endswith(_OF_PIXELS) or "/content" in route
        return Operation.RETRIEVE if of_pixels else _QUERY
    return Operation.DELETE if method == "DELETE" else None


class Permits:
    """Asks access control for requests."""

    def __init__(self, access: AccessService, visible: VisibleIndex) -> None:
        self._access = access
        self._visible = visible

    async def enter(self, scope: Scope, route: str) -> None:
        """Let a request in that is for an address, and limit to what it was granted what this task does from here on.

        Raises:
            NotAuthenticatedError: it was granted nothing, and nobody knows who asks.
            NotAuthorisedError: it was granted nothing, or what it names lies outside of that.
        """
        caller = callers.current()
        principal = NOBODY if caller is None else caller.principal
        if self._access.is_open and principal.restriction is None:
            return
        operation = operation_of(scope["method"], route)
        if operation == "free":
            return
        if (unproved := scope.get(UNPROVED)) is not None:
            raise unproved
        if operation == "own":
            return
        try:
            grant = self._granted(principal, operation, scope, route)
        except NotAuthorisedError as error:
            if principal.is_known or principal.certificate:
                raise
            raise NotAuthenticatedError(str(error)) from error
        callers.limit(grant)
        if grant.within:
            await asyncio.to_thread(self._check, scope, route)

    def guarding(self, application: ASGIApp, route: str) -> ASGIApp:
        """Return an application that lets in who may have what stands at an address."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.enter(scope, route)
            except ArchimageError as error:
                return await errors.response(error)(scope, receive, send)
            return await application(scope, receive, send)

        return guarded

    def _granted(self, principal: Principal, operation: Operation | Free | None, scope: Scope, route: str) -> Grant:
        if operation == "known":
            if not self._access.may(principal):
                raise NotAuthorisedError(f"{principal.name or 'nobody'} may do nothing here")
            return self._access.rights(principal).of(_QUERY) or _NOTHING
        if not isinstance(operation, Operation):
            raise NotAuthorisedError("nobody may do this")
        named = variables_of(route, scope["path"]) if operation is Operation.MOVE_TO else {}
        grant = self._access.permit(principal, operation, named.get("ae_title:path"))
        if grant.within and (scope["method"], route) in _WHOLE:
            raise NotAuthorisedError(f"{principal.name} may do this with a part of the archive alone, and it is of all")
        return grant

    def _check(self, scope: Scope, route: str) -> None:
        """Raise NotAuthorisedError where what an address names is kept, and lies outside of the grant; blocks."""
        for study, series, instance in uids_of(scope, route):
            uids = {Level.STUDY: study, Level.SERIES: series, Level.IMAGE: instance}
            self._visible.check(uids)
