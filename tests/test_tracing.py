"""What a collector is told of real traffic: which spans there are, what is within what, and nothing about patients."""

import http.client
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from archimage.config import Config
from archimage.errors import ConfigError
from archimage.observe.tracing import FAREWELL_S, Tracing
from archimage.spans import WITHIN, Tracer
from archimage.tracing import tracer
from tests.attacks.datasets import dataset, identifier, new_uid, one_image
from tests.attacks.server import Server, running, stop
from tests.attacks.wire import Peer, querying
from tests.collector import Collector, Told, collecting
from tests.interop.managing import Api
from tests.interop.peers import free_port
from tests.web.stowing import STUDY, ask, part10, store
from tests.web.wadoing import get

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = "b7ad6b7169203331"
SECRET: Final = b"Demo^Secret"
PATIENT_NAME: Final = 0x00100010


def tracing_to(collector: Collector, **settings: object) -> dict[str, str]:
    """Return settings, as the environment has them, for a server that traces."""
    given = {"exporter": "otlp", "endpoint": collector.url, "sample": 1, **settings}
    return {f"tracing__{key}": str(value) for key, value in given.items()}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Server]:
    """A server that traces everything."""
    with running(tmp_path_factory.mktemp("traced") / "data", settings=tracing_to(collector)) as found:
        yield found


@pytest.fixture(autouse=True)
def _anew(collector: Collector) -> None:
    collector.spans.clear()


def request(server: Server, path: str, **headers: str) -> http.client.HTTPResponse:
    with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)) as connection:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer


def only(found: list[Told]) -> Told:
    assert len(found) == 1, found
    return found[0]


# Associations.


def test_an_association_holds_its_operations_those_hold_the_storage_and_the_queries(
    server: Server, collector: Collector
) -> None:
    uid = new_uid()
    with Peer.associated(server.port, querying()) as peer:
        assert peer.echo() == 0
        assert peer.store(uid, dataset(uid, replaced={PATIENT_NAME: SECRET}, pixels=bytes(400_000))) == 0
        assert peer.find(identifier("STUDY", {PATIENT_NAME: ("PN", SECRET)}))[1] == 0
        assert peer.get(one_image(uid))[1] == 0
        peer.release()
    told = collector.wait("association")
    whole = only(collector.named("association"))
    assert whole.parent_id == ""
    operations = collector.children(whole)
    assert [one.name for one in sorted(operations, key=lambda one: one.began_ns)] == [
        "C-ECHO",
        "C-STORE",
        "C-FIND",
        "C-GET",
    ]
    assert all(one.attributes["dicom.status"] == "0x0000" for one in operations)
    within = {one.name: {child.name for child in collector.children(one)} for one in operations}
    assert within["C-ECHO"] == set()
    assert within["C-STORE"] == {"store"}
    assert within["C-FIND"] == {"query"}
    assert within["C-GET"] >= {"query", "open object", "C-STORE sub-operation"}
    kept = only(collector.named("store"))
    assert {child.name for child in collector.children(kept)} == {"write object", "flush object", "group commit"}
    assert kept.attributes["storage.size_bytes"] > 400_000
    commit = only(collector.named("group commit"))
    assert {"commit.wait_s", "commit.sync_s", "commit.index_s"} <= set(commit.attributes)
    by_id = {one.span_id: one for one in told}
    for one in told:
        assert one.trace_id == whole.trace_id
        assert not one.failed
        if one.parent_id:
            assert by_id[one.parent_id].began_ns <= one.began_ns


def test_the_span_of_an_association_tells_what_the_line_that_closes_it_does(
    server: Server, collector: Collector
) -> None:
    uid = new_uid()
    with Peer.associated(server.port) as peer:
        assert peer.store(uid, dataset(uid)) == 0
        peer.release()
    collector.wait("association")
    attributes = only(collector.named("association")).attributes
    ended = Api(f"http://127.0.0.1:{server.http_port}").ask("GET", "/associations/ended").json[0]
    assert attributes["association.id"] == ended["id"]
    assert attributes["association.calling_ae_title"] == ended["calling_ae_title"]
    assert attributes["association.received_bytes"] == ended["received_bytes"]
    timing = {key.removeprefix("association."): value for key, value in attributes.items() if key.endswith("_s")}
    assert timing == {key: value for key, value in ended["timing"].items() if value is not None}


def test_what_goes_wrong_is_told_as_such(server: Server, collector: Collector) -> None:
    wrong, left = new_uid(), new_uid()
    with Peer.associated(server.port) as peer:
        assert peer.store(wrong, dataset(new_uid())) == 0xA900
        peer.begin_store(left)
    collector.wait("association")
    refused, unanswered = sorted(collector.named("C-STORE"), key=lambda one: one.began_ns)
    assert refused.failed
    assert refused.attributes["error.type"] == "0xa900"
    assert unanswered.failed
    assert unanswered.attributes["error.type"] == "unanswered"
    kinds = {one.attributes["error.type"] for one in collector.named("store")}
    assert kinds == {"IdentityMismatchError", "discarded"}
    assert only(collector.named("association")).attributes["error.type"] == "lost"


def test_an_association_without_end_does_not_drown_the_collector(server: Server, collector: Collector) -> None:
    with Peer.associated(server.port) as peer:
        for _ in range(WITHIN + 200):
            assert peer.echo() == 0
        peer.release()
    collector.wait("association")
    whole = only(collector.named("association"))
    within = [one for one in collector.spans if one.trace_id == whole.trace_id and one != whole]
    assert len(within) == WITHIN
    assert len(collector.named("C-ECHO")) > WITHIN // 2
    assert whole.attributes["archimage.cut"] is True
    assert whole.attributes["association.operations"] == WITHIN + 200


# Web requests.


def test_a_web_request_is_within_the_trace_of_its_client_and_says_so(server: Server, collector: Collector) -> None:
    uid = new_uid()
    assert store(server.http_port, [part10(dataset(uid), uid)]).stored() == [uid]
    collector.wait("POST /dicom-web/studies")
    assert {child.name for child in collector.children(only(collector.named("POST /dicom-web/studies")))} >= {"store"}
    collector.spans.clear()
    answer = request(server, f"/dicom-web/studies/{STUDY}/series", traceparent=f"00-{TRACE}-{PARENT}-01")
    name = "GET /dicom-web/studies/{study}/series"
    collector.wait(name)
    served = only(collector.named(name))
    assert (served.trace_id, served.parent_id) == (TRACE, PARENT)
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{served.span_id}-01"
    assert served.attributes["http.response.status_code"] == 200
    queries = [child for child in collector.children(served) if child.name == "query"]
    assert {query.attributes["db.system.name"] for query in queries} == {"sqlite"}
    assert any(query.attributes["db.query.text"].startswith("WITH chosen") for query in queries)


@pytest.mark.parametrize(
    "sent", [f"00-{TRACE}-{PARENT}", "00-" + "0" * 32 + f"-{PARENT}-01", "%s;drop" * 20, f"ff-{TRACE}-{PARENT}-01", ""]
)
def test_a_trace_that_makes_no_sense_is_not_followed(server: Server, collector: Collector, sent: str) -> None:
    answer = request(server, "/dicom-web/studies", traceparent=sent)
    collector.wait("GET /dicom-web/studies")
    served = only(collector.named("GET /dicom-web/studies"))
    assert served.parent_id == ""
    assert served.trace_id != TRACE
    assert answer.headers["traceresponse"].split("-")[1] == served.trace_id


def test_what_a_client_does_not_trace_is_not_traced(server: Server, collector: Collector) -> None:
    answer = request(server, "/dicom-web/studies", traceparent=f"00-{TRACE}-{PARENT}-00")
    assert "traceresponse" not in answer.headers
    request(server, "/dicom-web/series")
    collector.wait("GET /dicom-web/series")
    assert collector.named("GET /dicom-web/studies") == []


def test_probes_are_not_traced(server: Server, collector: Collector) -> None:
    for path in ("/live", "/ready", "/health", "/metrics", "/dicom-web/studies"):
        assert request(server, path).status in {200, 204}
    told = collector.wait("GET /dicom-web/studies")
    assert {one.name for one in told if not one.parent_id} == {"GET /dicom-web/studies"}


def test_a_failure_and_an_address_that_is_not_there(server: Server, collector: Collector) -> None:
    assert get(server.http_port, "/studies/1.2.3/metadata").status == 404
    assert ask(server.http_port, "GET", "/nothing").status == 404
    collector.wait("GET /dicom-web/studies/{study}/metadata", "GET")
    assert not only(collector.named("GET /dicom-web/studies/{study}/metadata")).failed  # the client's fault, not ours
    assert only(collector.named("GET")).attributes["http.response.status_code"] == 404


# Tasks.


def test_a_task_is_within_the_request_that_began_it(server: Server, collector: Collector) -> None:
    uid = new_uid()
    assert store(server.http_port, [part10(dataset(uid), uid)]).stored() == [uid]
    api = Api(f"http://127.0.0.1:{server.http_port}")
    api.add("GONE", free_port())
    begun = api.ask("POST", "/nodes/GONE/send", {"studies": [STUDY]})
    assert begun.status == 202
    collector.wait("task send", "POST /api/v1/nodes/{ae_title:path}/send")
    task = only(collector.named("task send"))
    assert task.parent_id == only(collector.named("POST /api/v1/nodes/{ae_title:path}/send")).span_id
    assert task.attributes["task.id"] == begun.json["id"]
    assert task.failed
    call = only([child for child in collector.children(task) if child.name not in {"query", "transaction"}])
    assert (call.name, call.attributes["peer.ae_title"], call.failed) == ("associate", "GONE", True)


def test_objects_that_are_moved_are_told_with_the_association_that_takes_them(
    server: Server, collector: Collector, tmp_path: Path
) -> None:
    uid = new_uid()
    with running(tmp_path / "other", ("--ae-title", "OTHER")) as other:
        Api(f"http://127.0.0.1:{server.http_port}").add("OTHER", other.port)
        with Peer.associated(server.port, querying()) as peer:
            assert peer.store(uid, dataset(uid)) == 0
            assert peer.move(one_image(uid), "OTHER") == 0
            peer.release()
        collector.wait("association")
    move = only(collector.named("C-MOVE"))
    within = {child.name: child for child in collector.children(move)}
    assert {"query", "associate", "C-STORE"} <= set(within)
    assert within["C-STORE"].attributes["peer.ae_title"] == "OTHER"


# What nobody is told.


def test_no_span_holds_anything_about_a_patient(server: Server, collector: Collector) -> None:
    uid = new_uid()
    secret = dataset(uid, replaced={PATIENT_NAME: SECRET})
    with Peer.associated(server.port, querying()) as peer:
        assert peer.store(uid, secret) == 0
        assert len(peer.find(identifier("STUDY", {PATIENT_NAME: ("PN", SECRET)}))[0]) == 1
        assert peer.find(identifier("STUDY", {PATIENT_NAME: ("PN", b"Demo^S*")}))[1] == 0
        peer.release()
    request(server, f"/dicom-web/studies?PatientName={SECRET.decode()}")
    request(server, f"/dicom-web/studies/{STUDY}/metadata")
    request(server, f"/api/v1/studies?q={SECRET.decode()}")
    told = collector.wait("association", "GET /dicom-web/studies", "GET /api/v1/studies")
    assert len(told) > 10
    written = repr(told)
    assert "Secret" not in written
    assert "secret" not in written
    assert STUDY not in written
    assert uid not in written


# Settings.


def test_each_process_tells_its_own_name(tmp_path: Path, collector: Collector) -> None:
    options = ("--workers", "2")
    with running(tmp_path / "data", options, tracing_to(collector, service="pacs-east")) as found:
        instances = set()
        for _ in range(200):
            collector.spans.clear()
            with Peer.associated(found.port) as peer:
                peer.release()
            (told,) = collector.wait("association")
            assert told.resource["service.name"] == "pacs-east"
            instances.add(told.resource["service.instance.id"])
            if len(instances) == 2:
                return
    raise AssertionError(f"only {instances} told anything")


def test_a_share_of_nothing_is_nothing_and_all_that_clients_trace_unless_told_otherwise(
    tmp_path: Path, collector: Collector
) -> None:
    for follow in (True, False):
        collector.spans.clear()
        settings = tracing_to(collector, sample=0, follow=follow)
        with running(tmp_path / str(follow), settings=settings) as found:
            with Peer.associated(found.port) as peer:
                peer.echo()
                peer.release()
            answer = request(found, "/dicom-web/studies", traceparent=f"00-{TRACE}-{PARENT}-01")
            assert ("traceresponse" in answer.headers) is follow
        assert {one.name for one in collector.spans if not one.parent_id.strip()} == set()
        assert bool(collector.named("GET /dicom-web/studies")) is follow


def test_what_was_traced_last_is_told_at_the_end(tmp_path: Path, collector: Collector) -> None:
    with running(tmp_path / "data", settings=tracing_to(collector)) as found:
        Peer.associated(found.port).release()
        assert stop(found) == 0
    assert only(collector.named("association")).attributes["association.operations"] == 0


def test_a_collector_that_is_away_holds_nobody_up() -> None:
    traces = Tracing(f"http://127.0.0.1:{free_port()}", 1, follow=True, service="archimage", instance="PACS_SCP")
    span = traces.begin("something")
    assert span is not None
    span.end()
    began = time.monotonic()
    traces.close()
    assert time.monotonic() - began < FAREWELL_S + 1


def test_without_an_exporter_nothing_is_traced_and_opentelemetry_is_not_even_loaded(tmp_path: Path) -> None:
    with running(tmp_path / "data") as found:
        answer = request(found, "/dicom-web/studies", traceparent=f"00-{TRACE}-{PARENT}-01")
        assert "traceresponse" not in answer.headers
        loaded = Path(f"/proc/{found.process.pid}/maps").read_text("utf-8")
        assert "opentelemetry" not in loaded
    assert type(tracer(Config())) is Tracer


def test_tracing_without_its_packages_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "archimage.observe.tracing", None)
    wanted = Config.model_validate({"tracing": {"exporter": "otlp"}})
    with pytest.raises(ConfigError, match=r"pip install '\.\[tracing\]'"):
        tracer(wanted)
