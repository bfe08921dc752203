"""`python -m tests.nodes.recording SOURCES`: write down what a node of an older release says to its database.

SOURCES is the folder `src` of that release, of `git archive` for example. The node makes its tables and is made use of;
whatever PostgreSQL was told by it meanwhile goes into `said.jsonl`, a statement and its parameters a line. A test says
it again to tables that were migrated since (`test_rolling`). To be made anew with each release.
"""

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import pq

from archimage.protocol.status import is_success
from tests.attacks.datasets import PATIENT_ID, STUDY_INSTANCE_UID, dataset, new_uid, one_image
from tests.attacks.server import Server, running
from tests.attacks.wire import Peer, querying
from tests.hl7.sending import ENABLED, RawPeer, order, port_of
from tests.servers import postgresql

SAID: Final = Path(__file__).with_name("said.jsonl")
STUDY: Final = "1.2.826.0.1.3680043.8.505.1"
REMOVED: Final = "1.2.826.0.1.3680043.8.505.2"
OBJECTS: Final = 3
"""So many are there in the end."""
_SETTINGS: Final[dict[str, str]] = {
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "said",
    "log_statement": "all",
    "log_min_messages": "log",
}
_TEXT: Final = re.compile(r"^(?:statement|execute [^:]*): (.*)$", re.DOTALL)
_PARAMETER: Final = re.compile(r"\$\d+ = (?:(NULL)|'((?:[^']|'')*)')", re.DOTALL)
_NOT_SAID_AGAIN: Final = re.compile(
    r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|DEALLOCATE|SET|RESET|SHOW|FETCH|CLOSE|MOVE)\b", re.IGNORECASE
)
_CURSOR: Final = re.compile(r"^DECLARE \S+ .*?CURSOR .*?FOR ", re.IGNORECASE)
_NUMBER: Final = re.compile(r"^-?\d+$")
_BIGINT: Final = 20
_UNDERSTOOD: Final = {pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK}
_MOST: Final = 2
"""A question is said again so often at most."""

Statement = tuple[str, list[str | None]]


def said(statements: Path = SAID) -> Iterator[Statement]:
    """Read what was written down."""
    for line in statements.read_text("utf-8").splitlines():
        text, parameters = json.loads(line)
        yield text, parameters


def say(connection: "psycopg.Connection[Any]", statements: Sequence[Statement]) -> list[str]:
    """Say it again; return what was not understood."""
    wrong = []
    for text, parameters in statements:
        values = [None if one is None else one.encode() for one in parameters]
        numbers = [_BIGINT if one is not None and _NUMBER.match(one) else 0 for one in parameters]
        for types in (None, numbers):  # which types they had is not written down
            result = connection.pgconn.exec_params(text.encode(), values, types)
            if result.status in _UNDERSTOOD:
                break
        else:
            wrong.append(f"{text}: {result.error_message.decode().strip()}")
    return wrong


def main() -> None:
    """Run such a node, and write."""
    with tempfile.TemporaryDirectory() as folder, postgresql.running(durable=False, **_SETTINGS) as database:
        settings = {**ENABLED, "index__url": database.url}
        with running(Path(folder) / "data", settings=settings, PYTHONPATH=sys.argv[1]) as node:
            _use(node)
        database.stop()
        heard = [*_heard(database.directory / "data" / "said")]
    SAID.write_text("".join(f"{json.dumps(one)}\n" for one in heard), "utf-8")
    sys.stdout.write(f"{len(heard)} statements, {len({text for text, _ in heard})} of them different\n")


def _heard(directory: Path) -> Iterator[Statement]:
    """Read what PostgreSQL was told by the archive itself, the job engine's own tables apart."""
    asked: Counter[str] = Counter()
    lines = [line for file in sorted(directory.glob("*.json")) for line in file.read_text("utf-8").splitlines()]
    for told in map(json.loads, lines):
        found = _TEXT.match(told.get("message", ""))
        if found is None or told.get("application_name") != "archimage" or "dbos" in found[1]:
            continue
        text = _CURSOR.sub("", found[1].strip())
        asked[text] += 1
        if _NOT_SAID_AGAIN.match(text) or (text.startswith("SELECT") and asked[text] > _MOST):
            continue
        parameters = [
            None if null else value.replace("''", "'") for null, value in _PARAMETER.findall(told.get("detail", ""))
        ]
        yield text, parameters


def _use(node: Server) -> None:
    """Have it do a little of everything."""
    uids = [new_uid() for _ in range(OBJECTS + 1)]
    with Peer.associated(node.port) as peer:
        for number, uid in enumerate(uids):
            study = STUDY if number < OBJECTS else REMOVED
            replaced = {STUDY_INSTANCE_UID: study.encode(), PATIENT_ID: b"OLD"}
            assert is_success(peer.store(uid, dataset(uid, replaced=replaced)))
        assert is_success(
            peer.store(uids[0], dataset(uids[0], replaced={STUDY_INSTANCE_UID: STUDY.encode(), PATIENT_ID: b"OLD"}))
        )
        peer.release()
    with Peer.associated(node.port, querying()) as peer:
        assert is_success(peer.find(one_image(uids[0]))[1])
    with RawPeer(port_of(node)) as sender:
        sender.send(b"\x0b" + order("N-1", accession="ACC77").encode() + b"\x1c\r")
        sender.answer()
    for address in ("studies", "series", "instances", f"studies/{STUDY}/metadata", f"studies/{STUDY}"):
        _ask(node, "GET", f"/dicom-web/{address}")
    for path in (
        "nodes",
        "labels",
        "jobs",
        "changes",
        "worklist",
        "deliveries",
        "retention",
        "holds",
        "users",
        "statistics",
    ):
        _ask(node, "GET", f"/api/v1/{path}")
    _ask(node, "POST", "/api/v1/nodes", {"ae_title": "THERE", "host": "127.0.0.1", "port": 1})
    _ask(node, "POST", "/api/v1/nodes/THERE/send", {"studies": [STUDY]})
    _ask(node, "PUT", f"/api/v1/studies/{STUDY}/labels/teaching")
    body = {
        "kind": "correct-patient",
        "patient": {"study_instance_uid": STUDY},
        "attributes": {"PatientName": "New^Name"},
    }
    _ask(node, "POST", "/api/v1/changes", {**body, "reason": "recorded"})
    _ask(node, "DELETE", f"/dicom-web/studies/{REMOVED}")


def _ask(node: Server, method: str, path: str, body: object = None) -> None:
    with closing(HTTPConnection("127.0.0.1", node.http_port, timeout=30)) as connection:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Accept": "*/*", "Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        sys.stdout.write(f"{answer.status} {method} {path}\n")


if __name__ == "__main__":
    main()
