"""`/metrics` over HTTP: one process or two, what they do is told by each of them."""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.attacks.datasets import new_uid
from tests.attacks.server import Server, running, wait_until
from tests.services.compressing import image
from tests.web.stowing import http_port, part10, store
from tests.web.wadoing import get


@pytest.fixture(scope="module", params=[1, 2])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one process, and one of two, that compresses."""
    directory, options = tmp_path_factory.mktemp("metrics") / "data", ("--workers", str(request.param))
    with running(directory, options, ARCHIMAGE__STORAGE__COMPRESS='{"CT": "htj2k-lossless"}') as server:
        yield server


def metrics(port: int) -> tuple[str, dict[str, float]]:
    """Ask, on a connection of its own; return the media type and the samples."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        text = response.read().decode()
    assert response.status == 200
    samples = re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    return response.headers["content-type"], {name: float(value) for name, value in samples}


def test_what_is_compressed_and_what_is_not_is_counted_by_every_process(server: Server) -> None:
    port = http_port(server)
    uids = [new_uid(), new_uid()]
    files = [part10(image(uid, side=64, noise=noise), uid) for uid, noise in zip(uids, (0, 1), strict=True)]
    assert store(port, files).stored() == uids

    def settled() -> bool:
        told = metrics(port)[1]
        done = told.get('pacs_compressions_total{outcome="compressed",reason=""}', 0)
        return done >= 1 and told.get('pacs_compressions_total{outcome="kept",reason="NotAcceptableError"}', 0) >= 1

    assert wait_until(settled, 60), metrics(port)
    for _ in range(8):  # whichever process answers
        kind, told = metrics(port)
        assert kind.startswith("text/plain; version=0.0.4")
        before, after = (told[f'pacs_compression_bytes_total{{form="{form}"}}'] for form in ("before", "after"))
        assert 0 < after < before
        assert told['pacs_pixel_tasks_total{outcome="done",task="transcode"}'] >= 2
        assert told["pacs_pixel_tasks_waiting"] == 0


def test_a_picture_that_cannot_be_made_is_counted(server: Server) -> None:
    port, uid = http_port(server), new_uid()
    broken = image(uid, side=64, replaced={0x00280004: b"NONSENSE"})
    assert store(port, [part10(broken, uid)]).stored() == [uid]
    name = 'pacs_pixel_tasks_total{outcome="failed",task="render"}'
    before = metrics(port)[1].get(name, 0)
    path = "/studies/1.2.826.0.1.3680043.8.499.1/series/1.2.826.0.1.3680043.8.499.2"
    assert get(port, f"{path}/instances/{uid}/rendered", "image/png").status == 406
    assert metrics(port)[1][name] == before + 1


def test_nothing_is_told_where_a_setting_turns_counting_off(tmp_path: Path) -> None:
    with running(tmp_path / "data", (), {"http__metrics": "false"}) as server:
        uid = new_uid()
        assert store(server.http_port, [part10(image(uid), uid)]).stored() == [uid]
        server.echo()
        with closing(http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)) as connection:
            connection.request("GET", "/metrics")
            assert connection.getresponse().status == 404
