"""Every HTTP request as the audit trail hears of it: who asks for what, and whether he got it.

What a request is to the trail is told by the template of its address, in one table. Storing, deleting, correcting and
entering nodes are told by the services that do it, which know who has it done by `callers`.

Ref: PS3.15 §A.5.3.
"""

from collections.abc import Mapping
from http import HTTPStatus
from itertools import count
from typing import Final, Literal
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.errors import UnavailableError
from archimage.model import callers
from archimage.model.callers import Caller
from archimage.ports.audit import AuditSink
from archimage.services.audit import AuditService
from archimage.web import errors, probes
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.identified import PRINCIPAL
from archimage.web.management import FHIR, ROOT, UPLOAD
from archimage.web.marks import NAMED, REFUSED
from archimage.web.measured import route_of, status_of
from archimage.web.metrics import PATH as METRICS

Act = Literal["search", "sent", "accessed", "exported", "opened", "elsewhere", "nothing"]
"""What a request is: opened is what an address names in its own way, elsewhere what is told by whoever does it."""

_READING: Final = frozenset({"GET", "HEAD"})
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_ELSEWHERE: Final = frozenset({f"{ROOT}/studies/{{study_uid}}/deidentified/archive", f"{ROOT}/jobs/{{number}}/export"})
"""What is read, and told by whoever gives it."""
_UPLOADS: Final = frozenset({ROOT + UPLOAD, "/instances"})
_OF_OBJECTS: Final = ("/patients", "/studies", "/series", "/instances")
_WORKLIST: Final = (f"{ROOT}/worklist", f"{ROOT}/worklist/{{key}}", f"{ROOT}/workitems")
_PERFORMED: Final = (f"{ROOT}/performed-steps", f"{ROOT}/performed-steps/{{step_uid}}", f"{ROOT}/deliveries/{{number}}")
_JOBS: Final = (f"{ROOT}/jobs/{{number}}",)
_MESSAGES: Final = tuple(
    f"{ROOT}/{path}" for path in ("messages/{number}", "reports", "reports/{number}", "patient-links")
)
_FHIR_KINDS: Final = ("Patient", "ImagingStudy", "ServiceRequest", "DiagnosticReport")
_FHIR_SEARCHES: Final = tuple(f"{FHIR}/{kind}" for kind in _FHIR_KINDS)
_QUERIES: Final = frozenset(
    {f"{ROOT}/patients", f"{ROOT}/studies", *_WORKLIST, *_PERFORMED, *_JOBS, *_MESSAGES, *_OF_OBJECTS, *_FHIR_SEARCHES}
)
_ASKING: Final = frozenset({"/tools/find", "/tools/lookup", f"{ROOT}/nodes/{{ae_title:path}}/query"})
_FILES: Final = ("/archive", "/file")
_NAMES: Final[Mapping[str, str]] = {"study_uid": "study", "series_uid": "series", "sop_uid": "instance", "uid": "study"}
_MAX_PATH: Final = 2_000
"""Characters of a path that are told: clients may send 96 KB, and thousands of requests may wait to be told."""
_URI_NAMES: Final = {"study": "studyUID", "series": "seriesUID", "instance": "objectUID"}


def _act_of(name: str) -> Act:
    """Return what a resource of DICOMweb is."""
    if name.startswith(("Search", "Count")):
        return "search"
    if name in {"RetrieveStudy", "RetrieveSeries", "RetrieveInstance"}:
        return "sent"
    if name == "RetrieveChosenStudies":
        return "exported"
    if name.startswith(("Store", "Delete")):
        return "elsewhere"
    return "nothing" if "Capabilities" in name else "accessed"


_DICOMWEB: Final[Mapping[tuple[str, str], Act]] = {(one.method, one.address): _act_of(one.name) for one in RESOURCES}


def act_of(method: str, route: str) -> Act:
    """Return what a request is to the audit trail, by its method and the template of its address."""
    method = "GET" if method == "HEAD" else method
    found = _DICOMWEB.get((method, route))
    if found is not None:
        return found
    if (route in _QUERIES and method == "GET") or route in _ASKING:
        return "search"
    if method != "GET" or route in _ELSEWHERE:
        return "elsewhere"
    if "{id}" in route:
        return "exported" if route.endswith(_FILES) else "opened"
    return "accessed" if any(f"{{{name}}}" in route for name in _NAMES) else "nothing"


class Audited:
    """Passes requests on, and tells the trail of each; sink says whether anything may be done. Stands in `Measured`."""

    def __init__(self, application: ASGIApp, audit: AuditService, sink: AuditSink) -> None:
        self._application = application
        self._audit = audit
        self._sink = sink
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path in probes.PATHS:
            return await self._application(scope, receive, send)
        try:
            if path != METRICS:
                self._sink.check()
        except UnavailableError as error:
            return await errors.response(error)(scope, receive, send)
        door: callers.Door = "upload" if scope["method"] == "POST" and path in _UPLOADS else "web"
        caller = Caller(door, f"web-{next(self._numbers)}", scope[PRINCIPAL])
        whole = False
        try:
            with callers.DoneFor(caller):
                await self._application(scope, receive, send)
            whole = True
        finally:
            self._tell(scope, caller, whole=whole)
            if scope["method"] not in _READING:
                self._audit.over(caller)

    def _tell(self, scope: Scope, caller: Caller, *, whole: bool) -> None:
        status, route = status_of(scope), route_of(scope)
        failure = _failure(status, whole=whole)
        if status in _DENIED or REFUSED in scope:
            asked = f"{scope['method']} {scope['path'][:_MAX_PATH]}"
            return self._audit.denied(caller, f"{asked}: {scope.get(REFUSED, failure)}")
        act = act_of(scope["method"], route)
        if act == "search":
            return self._audit.searched(caller, route, _query(scope), failure)
        if act in {"opened", "exported"} and "{id}" in route:
            return self._audit.opened(caller, scope["path"][:_MAX_PATH], failure, scope.get(NAMED))
        if act in {"sent", "accessed", "exported"}:
            for uids in uids_of(scope, route):
                self._audit.looked(act, caller, uids, failure)
        return None


def _failure(status: int, *, whole: bool) -> str:
    """Say why a request did not come to its end, empty where it did."""
    if status >= HTTPStatus.BAD_REQUEST:
        return f"HTTP status {status}"
    return "" if whole else "the answer broke off"


def _query(scope: Scope) -> bytes:
    asked: bytes = scope["query_string"]
    path: bytes = scope["raw_path"]
    return path + b"?" + asked if asked else path


def uids_of(scope: Scope, route: str) -> list[tuple[str, str, str]]:
    """Return the UIDs of study, series and instance that a request names, empty where it names none."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    if route == "/viewer":
        named = {"study": query.get("study", [""])[0]}
    elif route == "/wado":
        named = {name: query.get(key, [""])[0] for name, key in _URI_NAMES.items()}
    elif route.endswith("/archive"):
        listed = [uid for text in query.get("StudyInstanceUID", []) for uid in text.split(",")]
        return [(uid, "", "") for uid in dict.fromkeys(listed)]
    else:
        named = {_NAMES.get(name, name): value for name, value in variables_of(route, scope["path"]).items()}
    return [(named.get("study", ""), named.get("series", ""), named.get("instance", ""))]


def variables_of(route: str, path: str) -> dict[str, str]:
    """Return the values of a template's variables."""
    pairs = zip(route.split("/"), path.split("/"), strict=False)
    return {part[1:-1]: value for part, value in pairs if part.startswith("{")}
