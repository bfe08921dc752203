"""After real traffic `/metrics`, read by Prometheus' own parser, tells what the peers have sent: one process or two."""

import http.client
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from archimage.protocol.items import PresentationContext
from archimage.protocol.pdu import Abort, AssociateReject, AssociateRequest
from archimage.protocol.status import Status
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, RLE_LOSSLESS
from tests.attacks.datasets import SOP_CLASS_UID, dataset, identifier, new_uid, one_image
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import QUERY_CONTEXTS, Peer, querying, request
from tests.interop.managing import Api
from tests.interop.peers import free_port
from tests.services.compressing import image
from tests.web.stowing import STUDY, ask, part10, store
from tests.web.wadoing import SERIES, get

MR: Final = "1.2.840.10008.5.1.4.1.1.4"
PRIVATE: Final = "1.2.826.0.1.3680043.8.498.77777"
MR_CONTEXT: Final = 11
PRIVATE_CONTEXT: Final = 13
CONTEXTS: Final = (
    *QUERY_CONTEXTS,
    PresentationContext(MR_CONTEXT, MR, (EXPLICIT_VR_LITTLE_ENDIAN,)),
    PresentationContext(PRIVATE_CONTEXT, PRIVATE, (EXPLICIT_VR_LITTLE_ENDIAN,)),
)
SETTINGS: Final = {
    "dicom__accept_unknown_sop_classes": "true",
    "dicom__max_associations": "6",
    "dicom__idle_timeout_s": "5",
}
WITHIN_S: Final = 10.0


class Tallied(socket.socket):
    """A socket that counts."""

    sent = received = 0

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        self.sent += len(data)
        super().sendall(data, flags)

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        self.received += len(data)
        return data


class Scrape:
    """One reading of `/metrics`."""

    def __init__(self, server: Server) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        """Return a value, 0 where there is none."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """Sum up all samples that have these labels among theirs."""
        wanted = set(labels.items())
        return sum(value for (found, its), value in self.samples.items() if found == name and wanted <= its)


@pytest.fixture(scope="module", params=[1, 2])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one process, and one of two."""
    directory, options = tmp_path_factory.mktemp("metrics") / "data", ("--workers", str(request.param))
    with running(directory, options, SETTINGS) as server:
        yield server


def scraped(server: Server, *expected: tuple[float, str, dict[str, str]]) -> Scrape:
    """Wait until every process that may answer tells what is expected, each at least once in a few."""

    def told() -> bool:
        scrape = Scrape(server)
        return all(scrape(name, **labels) == value for value, name, labels in expected)

    assert wait_until(told, WITHIN_S), [(name, labels, Scrape(server)(name, **labels)) for _, name, labels in expected]
    assert all(told() for _ in range(6))
    return Scrape(server)


def tallied(server: Server, asked: AssociateRequest) -> Peer:
    """Associate over a socket that counts."""
    peer = Peer(server.port)
    peer.socket = Tallied(fileno=peer.socket.detach())
    peer.socket.settimeout(10)
    peer.associate(asked)
    return peer


def test_associations_with_their_bytes_their_times_and_their_operations(server: Server) -> None:
    asked = request(CONTEXTS, calling="MODALITY1")
    peers = [tallied(server, asked) for _ in range(3)]
    scraped(server, (3, "pacs_associations_active", {"ae_title": "MODALITY1"}))
    for peer in peers:
        assert peer.echo() == 0
        peer.release()
    sent, received = (sum(getattr(peer.socket, name) for peer in peers) for name in ("sent", "received"))
    scrape = scraped(
        server,
        (0, "pacs_associations_active", {"ae_title": "MODALITY1"}),
        (3, "pacs_association_duration_seconds_count", {"ae_title": "MODALITY1"}),
        (sent, "pacs_association_bytes_total", {"ae_title": "MODALITY1", "direction": "received"}),
        (received, "pacs_association_bytes_total", {"ae_title": "MODALITY1", "direction": "sent"}),
        (3, "pacs_operations_total", {"command": "C-ECHO", "status": "0000"}),
    )
    assert 0 < scrape("pacs_association_duration_seconds_sum", ae_title="MODALITY1") < 60


def test_objects_by_sop_class_with_their_bytes_and_what_became_of_each(server: Server) -> None:
    before = Scrape(server)
    sent = [("CT Image Storage", None, 3), ("MR Image Storage", MR, 5), ("other", PRIVATE, 11)]
    counts = Counter({name: number * 4 for number, (name, _, _) in enumerate(sent, 1)})
    kept: dict[str, list[str]] = {}
    uid, data = "", b""
    with Peer.associated(server.port, request(CONTEXTS, calling="MODALITY2")) as peer:
        for name, sop_class, _ in sent:
            for _ in range(counts[name]):
                uid = new_uid()
                kept.setdefault(name, []).append(uid)
                replaced = {SOP_CLASS_UID: sop_class.encode()} if sop_class else {}
                data = dataset(uid, replaced=replaced)
                context = {MR: MR_CONTEXT, PRIVATE: PRIVATE_CONTEXT}.get(sop_class or "", 3)
                more = {"sop_class_uid": sop_class} if sop_class else {}
                assert peer.store(uid, data, context_id=context, **more) == Status.SUCCESS
        again = {"sop_class_uid": PRIVATE, "context_id": PRIVATE_CONTEXT}
        assert peer.store(uid, data, **again) == Status.SUCCESS  # type: ignore[arg-type]
        assert peer.store(uid, data, **again) == Status.SUCCESS  # type: ignore[arg-type]
        other = dataset(uid, replaced={SOP_CLASS_UID: PRIVATE.encode()}, pixels=b"other")
        assert peer.store(uid, other, **again) == Status.DUPLICATE_SOP_INSTANCE  # type: ignore[arg-type]
        wrong = new_uid()
        assert peer.store(wrong, dataset(new_uid())) == Status.DATASET_MISMATCH
        peer.release()
    stored = [part10(dataset(uid), uid) for uid in (new_uid(), new_uid())]
    assert len(store(server.http_port, stored).stored()) == 2
    counts["CT Image Storage"] += 2
    sizes = {row.sop_instance_uid: row.size_bytes for row in server.rows()}
    scrape = scraped(
        server, *((count, "pacs_images_stored_total", {"sop_class": name}) for name, count in counts.items())
    )
    for name in ("MR Image Storage", "other"):
        assert scrape("pacs_storage_bytes_total", sop_class=name) == sum(sizes[uid] for uid in kept[name])
    outcomes = {"stored": sum(counts.values()), "duplicate": 2, "refused": 2, "replaced": 0}
    assert {name: scrape("pacs_storage_outcomes_total", outcome=name) for name in outcomes} == outcomes
    assert scrape("pacs_storage_latency_seconds_count") == sum(outcomes.values())
    assert scrape("pacs_commit_group_size_sum") == sum(counts.values())
    assert scrape("pacs_commit_wait_seconds_count") == sum(counts.values())
    assert scrape("pacs_commit_sync_seconds_count") == scrape("pacs_commit_group_size_count")
    statuses = {"0000": sum(counts.values()), "0111": 1, "A900": 1, "A700": 0}
    told = {status: scrape("pacs_operations_total", command="C-STORE", status=status) for status in statuses}
    assert told == statuses  # two duplicates came by C-STORE, and two objects by STOW-RS instead
    assert before("pacs_images_stored_total", sop_class="CT Image Storage") == 0


def test_rejections_by_reason(server: Server) -> None:
    before = Scrape(server)
    wrong = [request(called="NOBODY"), request(called="NOBODY"), request(calling="$(id)")]
    strange = AssociateRequest("PACS_SCP", "CT1", CONTEXTS, request().user_information, application_context="1.2.3")
    for asked in (*wrong, strange):
        with Peer(server.port) as peer:
            assert isinstance(peer.associate(asked), AssociateReject)
    expected = {"called_ae_title": 2, "calling_ae_title": 1, "protocol": 1, "max_associations": 0}
    name = "pacs_associations_rejected_total"
    scrape = scraped(
        server, *((before(name, reason=why) + count, name, {"reason": why}) for why, count in expected.items())
    )
    assert scrape("pacs_associations_total") == before("pacs_associations_total")


def test_ends_that_are_no_release_by_reason(server: Server) -> None:
    before, name = Scrape(server), "pacs_associations_aborted_total"
    api = Api(f"http://127.0.0.1:{server.http_port}")
    with Peer.associated(server.port) as peer:
        peer.send(Abort(0, 0))
        assert peer.ended()
    for _ in range(2):
        with Peer.associated(server.port) as peer:
            peer.send(b"\xff" * 12)
            peer.receive()
    with Peer(server.port) as peer:  # not even an association
        peer.send(b"\xff" * 12)
        peer.receive()
    for _ in range(3):
        Peer.associated(server.port).close()
    Peer(server.port).close()  # a probe of a load balancer is none of these
    with Peer.associated(server.port) as peer:
        assert wait_until(lambda: any(api.ask("DELETE", f"/associations/{one['id']}").status == 204
                                      for one in api.ask("GET", "/associations").json), WITHIN_S)  # fmt: skip
        assert peer.receive() == Abort(0, 0)
    expected = {"aborted_by_peer": 1, "protocol_error": 3, "lost": 3, "aborted_here": 1, "fault": 0}
    scraped(server, *((before(name, reason=why) + count, name, {"reason": why}) for why, count in expected.items()))


def test_queries_of_both_doors_by_level(server: Server) -> None:
    before = Scrape(server)
    with Peer.associated(server.port, querying()) as peer:
        for level in ("STUDY", "STUDY", "SERIES"):
            assert peer.find(identifier(level, {0x0020000D: ("UI", b"")}))[1] == 0
        assert peer.find(identifier("NONSENSE", {}))[1] != 0
        peer.release()
    for path in ("/studies", "/studies", f"/studies/{STUDY}/instances"):
        assert ask(server.http_port, "GET", path).status in {200, 204}
    expected = {"STUDY": 4, "SERIES": 1, "IMAGE": 1, "PATIENT": 0, "other": 1}
    name = "pacs_queries_total"
    scrape = scraped(
        server, *((before(name, level=level) + count, name, {"level": level}) for level, count in expected.items())
    )
    count = "pacs_query_latency_seconds_count"
    assert scrape(count) == before(count) + 7
    assert scrape("pacs_operations_total", command="C-FIND", status="0000") == 3


def test_web_requests_by_template_caches_and_a_transcoding(server: Server) -> None:
    uid, port = new_uid(), server.http_port
    assert store(port, [part10(image(uid, side=64), uid)]).stored() == [uid]
    before = Scrape(server)
    address = f"/studies/{STUDY}/series/{SERIES}"
    wanted = f'multipart/related; type="application/dicom"; transfer-syntax={RLE_LOSSLESS}'
    for _ in range(3):
        assert get(port, f"{address}/instances/{uid}", wanted).status == 200
    for _ in range(2):
        assert get(port, f"{address}/metadata").status == 200
    assert get(port, "/studies/1.2.3/metadata").status == 404
    for path in ("/nothing", "/nothing/else"):
        assert ask(port, "GET", path).status == 404
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("PROPFIND", "/live")
        assert connection.getresponse().status == 405
    root = "/dicom-web/studies/{study}"
    routes = [
        (3, "GET", f"{root}/series/{{series}}/instances/{{instance}}", "200"),
        (2, "GET", f"{root}/series/{{series}}/metadata", "200"),
        (1, "GET", f"{root}/metadata", "404"),
        (2, "GET", "other", "404"),
        (1, "other", "/live", "405"),
    ]
    name = "pacs_http_requests_total"
    expected = [
        (
            before(name, method=method, route=route, status=status) + count,
            name,
            {"method": method, "route": route, "status": status},
        )
        for count, method, route, status in routes
    ]
    scrape = scraped(server, *expected)
    for count, method, route, _ in routes:
        timed = "pacs_http_request_duration_seconds_count"
        assert scrape(timed, method=method, route=route) == before(timed, method=method, route=route) + count
    asked = "pacs_cache_requests_total"

    def looked(cache: str, result: str) -> float:
        return scrape(asked, cache=cache, result=result) - before(asked, cache=cache, result=result)

    assert (looked("transcoded", "miss"), looked("metadata", "miss"), looked("metadata", "hit")) == (1, 1, 1)
    assert looked("transcoded", "hit") >= 2  # an answer looks once for its head and once for its body
    tasks = {"task": "transcode", "outcome": "done"}
    assert scrape("pacs_pixel_tasks_total", **tasks) == before("pacs_pixel_tasks_total", **tasks) + 1
    assert not any(uid in str(series) or STUDY in str(series) for series in scrape.samples)


def test_a_task_that_is_cancelled_and_what_c_get_does(server: Server) -> None:
    uid = new_uid()
    with Peer.associated(server.port, querying()) as peer:
        assert peer.store(uid, dataset(uid)) == 0
        came, status = peer.get(one_image(uid))
        assert (len(came), status) == (1, 0)
        peer.release()
    scraped(server, (1, "pacs_operations_total", {"command": "C-GET", "status": "0000"}))
    api = Api(f"http://127.0.0.1:{server.http_port}")
    api.add("GONE", free_port())
    before = Scrape(server)
    begun = api.ask("POST", "/nodes/GONE/send", {"studies": [STUDY]})
    assert begun.status == 202, begun
    cancelled = api.ask("POST", f"/tasks/{begun.json['id']}/cancel")
    assert cancelled.status == 200, cancelled
    name = "pacs_tasks_total"
    labels = {"kind": "send", "outcome": "cancelled"}
    scraped(server, (before(name, **labels) + 1, name, labels))


def test_gauges_are_those_of_the_machine_and_of_every_process(server: Server) -> None:
    children = psutil.Process(server.process.pid).children()
    count = sum("spawn_main" in " ".join(child.cmdline()) for child in children) or 1
    scrape = scraped(server, (count, "pacs_processes", {}))
    assert wait_until(lambda: Scrape(server)("pacs_threads", pool="ingest") == 4 * count, WITHIN_S)
    assert 0 < scrape("pacs_disk_free_bytes") < scrape("pacs_disk_size_bytes") < 1 << 50
    assert scrape("pacs_index_size_bytes") >= (server.directory / "index.db").stat().st_size
    assert scrape("pacs_open_files") >= 10 * count
    assert scrape("pacs_resident_memory_bytes") > count * (20 << 20)
    assert scrape.total("pacs_queue_depth") == 0
