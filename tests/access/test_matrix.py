"""The access matrix over the web: 16 principals and 39 operations, each cell with its status and its audit record.

A cell is `.` where the operation is done, 1 for 401, 3 for 403 and L where a page leads to the login page.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from archimage.auditing import JOURNALS
from archimage.model.audit import USE_OF_RESTRICTED_FUNCTION as RESTRICTED
from archimage.model.audit_search import AuditSearch
from archimage.model.hashed import Named
from archimage.observe.audit.search import newest
from tests.access.site import Headers, Site, Study, basic, bearer, closed_site, stow

NONE_ALGORITHM: Final = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbmlzdHJhdG9yIn0."
PRINCIPALS: Final = (
    *("nobody", "wrong password", "expired token", "token of no signature", "disabled"),
    *("administrator", "editor", "reader", "auditor", "idle"),
    *("query token", "NEURO token", "OTHER token", "neurologist", "share of NEURO", "share of OTHER"),
)
NAMED: Final = {
    **dict.fromkeys(PRINCIPALS[:5], "127.0.0.1"),
    **{name: name for name in PRINCIPALS[5:10]},
    "query token": "administrator",
    "NEURO token": "reader",
    "OTHER token": "reader",
    "neurologist": "neurologist",
    "share of NEURO": "administrator",
    "share of OTHER": "administrator",
}
"""Whom the audit trail names."""

_SEARCHED, _GIVEN, _SENT, _STORED, _IMPORTED, _EXPORTED = "110112", "110103", "110104", "110104", "110107", "110106"
_DELETED, _ALERT, _USED, _PATIENT = "110105", "110113", "110101", "110110"

_URI = "requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}"


@dataclass(frozen=True)
class Operation:
    """An operation on NEURO; cells are its row. good is the status where it is done, event the code of its record."""

    method: str
    path: str
    cells: str
    good: int = 200
    event: str = ""
    body: str = ""

    @property
    def name(self) -> str:
        """What the test is called by."""
        return f"{self.method} {self.path}"


#   nobody, wrong, expired, unsigned, disabled | administrator, editor, reader, auditor, idle |
#   query token, NEURO token, OTHER token, neurologist, share of NEURO, share of OTHER
OPERATIONS: Final = (
    Operation("GET", "/dicom-web/studies", "11111 ...33 ......", event=_SEARCHED),
    Operation("GET", "/dicom-web/studies/count", "11111 ...33 ......", event=_SEARCHED),
    Operation("GET", "/dicom-web/studies/{study}/series", "11111 ...33 ..3..3", event=_SEARCHED),
    Operation("GET", "/dicom-web/studies/{study}", "11111 ...33 3.3..3", event=_SENT),
    Operation("GET", "/dicom-web/studies/{study}/metadata", "11111 ...33 3.3..3", event=_GIVEN),
    Operation("GET", "/dicom-web/studies/{study}/series/{series}/rendered", "11111 ...33 3.3..3", event=_GIVEN),
    Operation(
        "GET",
        "/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/1",
        "11111 ...33 3.3..3",
        event=_GIVEN,
    ),
    Operation(
        "GET", "/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}", "11111 ...33 3.3..3"
    ),
    Operation("GET", "/dicom-web/archive?StudyInstanceUID={study}", "11111 ...33 3.3..3", event=_EXPORTED),
    Operation("POST", "/dicom-web/studies", "11111 ..333 333333", event=_STORED, body="stow"),
    Operation("DELETE", "/dicom-web/studies/{study}", "11111 .3333 333.33", event=_DELETED),
    Operation("GET", "/api/v1/studies", "11111 ...33 ......", event=_SEARCHED),
    Operation("GET", "/api/v1/studies/{study}", "11111 ...33 ..3..3", event=_GIVEN),
    Operation("GET", "/api/v1/instances/{instance}/tags", "11111 ...33 3.3..3", event=_GIVEN),
    Operation("PUT", "/api/v1/studies/{study}/labels/seen", "11111 ..333 333.33", event=_GIVEN),
    Operation("POST", "/api/v1/changes/preview", "11111 ..333 333.33", body="change"),
    Operation("GET", "/api/v1/changes", "11111 ..333 333333"),
    Operation("POST", "/api/v1/upload", "11111 ..333 333333", event=_IMPORTED, body="upload"),
    Operation("GET", "/api/v1/nodes", "11111 ....3 ......"),
    Operation("POST", "/api/v1/nodes", "11111 .3333 333333", 201, _ALERT, body="node"),
    Operation("POST", "/api/v1/jobs/export", "11111 ...33 3.3..3", 202, _ALERT, body="export"),
    Operation("POST", "/api/v1/jobs/verify", "11111 .3333 333333", 202, _ALERT, body="export"),
    Operation("POST", "/api/v1/nodes/AWAY/echo", "11111 ...33 333333", 404),
    Operation("GET", "/api/v1/settings", "11111 .3333 333333"),
    Operation("GET", "/api/v1/audit?limit=1", "11111 .33.3 333333", event=_USED),
    Operation("PUT", "/api/v1/access", "11111 .3333 333333", 400, body="rules"),
    Operation("GET", "/api/v1/users", "11111 .3333 333333"),
    Operation("GET", "/", "LLLLL ...33 ......"),
    Operation("GET", "/viewer?study={study}", "LLLLL ...33 3.3..3"),
    Operation("GET", "/studies/{hashed}/archive", "11111 ...33 3.3..3", event=_EXPORTED),
    Operation("GET", "/instances/{hashed instance}/simplified-tags", "11111 ...33 3.3..3", event=_GIVEN),
    Operation("GET", "/fhir/metadata", "11111 ....3 ......"),
    Operation("GET", "/fhir/ImagingStudy", "11111 ...33 ......", event=_SEARCHED),
    Operation("GET", "/fhir/ImagingStudy/{study}", "11111 ...33 ..3..3", event=_GIVEN),
    Operation("GET", "/fhir/Patient/{hashed patient}", "11111 ...33 ..3..3", event=_GIVEN),
    Operation("GET", "/fhir/ServiceRequest", "11111 ...33 333333", event=_SEARCHED),
    Operation("GET", "/fhir/Subscription", "11111 .3333 333333"),
    Operation("POST", "/fhir/Subscription", "11111 .3333 333333", 415),
    Operation("GET", "/metrics", "11111 ....3 ......"),
)
STATUSES: Final = {"1": 401, "3": 403, "L": 303}


@dataclass(frozen=True)
class Seen:
    """What came of the whole matrix: the status of each cell, and how often whom the trail told what of."""

    statuses: dict[tuple[str, str], int]
    denied: Counter[tuple[str, str]]
    events: set[tuple[str, str]]
    paths: dict[tuple[str, str], str]


def principals(site: Site) -> dict[str, Headers]:
    """Return what each comes with."""
    own = site.own_page()
    expired = site.token("administrator", "expired", days=1 / 86_400)
    found: dict[str, Headers] = {
        "nobody": {},
        "wrong password": basic("reader", "not the password"),
        "expired token": expired,
        "token of no signature": bearer(NONE_ALGORITHM),
        "disabled": basic("disabled"),
        **{name: basic(name) for name in ("administrator", "editor", "auditor", "idle", "neurologist")},
        "reader": {**site.session("reader"), **own},
        "query token": site.token("administrator", "search", operations=["query"]),
        "NEURO token": site.token("reader", "a", scope={"patients": ["NEURO"]}, operations=["query", "retrieve"]),
        "OTHER token": site.token("reader", "b", scope={"patients": ["OTHER"]}, operations=["query", "retrieve"]),
        "share of NEURO": {**site.share(site.neuro.study), **own},
        "share of OTHER": {**site.share(site.other.study), **own},
    }
    deadline = time.monotonic() + 20
    while site.ask("GET", "/dicom-web/studies", sent=expired).status != 401:
        assert time.monotonic() < deadline
    return found


def places(study: Study) -> dict[str, str]:
    """Return what stands for a study in addresses."""
    names = (study.patient_id, study.study, study.series, study.instance)
    return {
        "study": study.study,
        "series": study.series,
        "instance": study.instance,
        "hashed patient": Named(names[:1]).hashed_id,
        "hashed": Named(names[:2]).hashed_id,
        "hashed instance": Named(names).hashed_id,
    }


def body_of(operation: Operation, principal: str, study: Study) -> tuple[bytes | None, Headers]:
    """Return what is sent with a request."""
    if operation.body == "stow":
        body, kind = stow(Study("MORE"))
        return body, {"Content-Type": kind}
    if operation.body == "upload":
        return Study("MORE").file(), {"Content-Type": "application/dicom"}
    bodies = {
        "change": {
            "kind": "correct-study",
            "study_instance_uid": study.study,
            "attributes": {"StudyDescription": "x"},
            "reason": "a test",
        },
        "node": {"ae_title": f"N{PRINCIPALS.index(principal)}", "host": "192.0.2.1", "port": 104},
        "export": {"studies": [study.study]},
        "rules": {"text": "[[rule]]\nname = 'none'"},
    }
    if not operation.body:
        return None, {}
    return json.dumps(bodies[operation.body]).encode(), {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Do all of it, and read what the trail says of it."""
    statuses: dict[tuple[str, str], int] = {}
    paths: dict[tuple[str, str], str] = {}
    with closed_site(tmp_path_factory.mktemp("matrix") / "data", {"access__lockout_address_failures": 0}) as site:
        who = principals(site)
        for operation in OPERATIONS:
            for principal, headers in who.items():
                study = site.neuro
                if operation.method == "DELETE":  # each has a study of his own to delete
                    study = Study("NEURO")
                    assert site.store(study).status == 200
                    assert site.api("PUT", f"/studies/{study.study}/labels/neuro").status == 200
                path = operation.path.format_map(places(study))
                body, more = body_of(operation, principal, study)
                answer = site.ask(operation.method, path, body, {**headers, **more})
                statuses[operation.name, principal] = answer.status
                paths[operation.name, principal] = f"{operation.method} {path.partition('?')[0]}"
        directory = site.server.directory
    return read(directory, statuses, paths)


def read(directory: Path, statuses: dict[tuple[str, str], int], paths: dict[tuple[str, str], str]) -> Seen:
    """Read the audit trail of a server that has ended."""
    found, _ = newest(directory / JOURNALS, AuditSearch(), 1_000_000, 0)
    denied = Counter(
        (one.users[0], one.description.partition(":")[0]) for one in found if RESTRICTED.meaning in one.types
    )
    events = {(user, one.event) for one in found for user in one.users if one.outcome == "0"}
    return Seen(statuses, denied, events, paths)


CELLS: Final = [
    (operation, principal, cell)
    for operation in OPERATIONS
    for principal, cell in zip(PRINCIPALS, operation.cells.replace(" ", ""), strict=True)
]


def test_the_matrix_is_as_large_as_it_should_be() -> None:
    assert len(PRINCIPALS) >= 14
    assert len(OPERATIONS) >= 24


@pytest.mark.parametrize(
    ("operation", "principal", "cell"),
    CELLS,
    ids=[f"{operation.name}-{principal}" for operation, principal, _ in CELLS],
)
def test_each_cell_has_its_status_and_its_record(operation: Operation, principal: str, cell: str, seen: Seen) -> None:
    expected = operation.good if cell == "." else STATUSES[cell]
    assert seen.statuses[operation.name, principal] == expected
    if cell in "13":
        assert seen.denied[NAMED[principal], seen.paths[operation.name, principal]] >= 1
    elif operation.event and operation.good < 400:
        assert (NAMED[principal], operation.event) in seen.events


def test_the_trail_has_a_record_of_each_refusal_and_no_other(seen: Seen) -> None:
    expected = Counter(
        (NAMED[principal], seen.paths[operation.name, principal])
        for operation, principal, cell in CELLS
        if cell in "13"
    )
    waiting = ("127.0.0.1", "GET /dicom-web/studies")  # asked for until the token had expired, the last time refused
    expected[waiting] += 1
    assert seen.denied == expected
