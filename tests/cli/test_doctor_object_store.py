"""`archimage doctor` before real object stores, and a PostgreSQL, that are well, and that are not."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from archimage.cli import object_store_checks
from archimage.cli.object_store_checks import object_store
from archimage.config import Config
from archimage.config_object_store import ObjectStoreConfig
from archimage.storage.remote.checkup import check_up
from tests.cli.test_doctor import Diagnosis, doctor
from tests.object_store.serving import settings_of
from tests.servers import postgresql
from tests.servers.azurite import Azurite
from tests.servers.faulty import faulty
from tests.servers.fixtures import azure, s3
from tests.servers.launched import free_ports
from tests.servers.seaweedfs import SeaweedFS

__all__ = ["azure", "s3"]


def _doctor(directory: Path, settings: Mapping[str, object]) -> Diagnosis:
    named = {"dicom__port": 0, "http__port": 0, **settings}
    return doctor(directory, {f"ARCHIMAGE__{name.upper()}": str(value) for name, value in named.items()})


def _look(settings: Mapping[str, object], **others: object) -> list[tuple[str, str, str, str]]:
    """Return subject, state, what was found and what to do, of each finding."""
    config = Config(object_store=ObjectStoreConfig.model_validate({**settings, **others}))
    return [(one.subject, one.state, one.message, one.next_step) for one in object_store(config)]


def test_a_store_that_is_well_and_nothing_is_left_in_it(tmp_path: Path, s3: SeaweedFS) -> None:
    found = _doctor(tmp_path / "data", settings_of(s3.settings("doctor")))
    assert set(found.states("object store").values()) == {"ok"}
    assert "takes, gives and deletes a probe" in found.one("object store", "s3://")["message"]
    assert s3.keys("doctor") == set()


def test_that_of_azure_too(azure: Azurite) -> None:
    assert [state for _, state, _, _ in _look(azure.settings("doctor"))] == ["ok", "ok"]


def test_a_store_that_is_not_there_and_a_bucket_that_is_not(s3: SeaweedFS) -> None:
    away = f"http://127.0.0.1:{free_ports(1)[0]}"
    ((_, state, told, step),) = _look(s3.settings("x"), endpoint=away)
    assert (state, "does not do it" in told) == ("failed", True)
    assert "object_store.endpoint" in step
    ((_, state, told, step),) = _look(s3.settings("x"), url="s3://another/x")
    assert state == "failed"
    assert "'another'" in told
    assert "object_store.url" in step


def test_a_key_that_is_refused(s3: SeaweedFS) -> None:
    ((_, state, told, step),) = _look(s3.settings("x"), secret="another")
    assert (state, "refuses our key" in told) == ("failed", True)
    assert "object_store.secret" in step


@pytest.mark.parametrize(("fault", "told"), [("500", "does not do it"), ("507", "is full"), ("hang", "does not do it")])
def test_a_store_that_does_not_take_the_probe(s3: SeaweedFS, fault: str, told: str) -> None:
    with faulty(s3.port) as proxy:
        proxy.fail(fault, "PUT")  # type: ignore[arg-type]
        ((_, state, message, step),) = _look(s3.settings("x"), endpoint=proxy.endpoint)
    assert (state, told in message, bool(step)) == ("failed", True, True)


@pytest.mark.parametrize(("off_s", "told"), [(3_600.0, "behind"), (-3_600.0, "ahead of")])
def test_clocks_that_differ(s3: SeaweedFS, monkeypatch: pytest.MonkeyPatch, off_s: float, told: str) -> None:
    monkeypatch.setattr(object_store_checks, "check_up", lambda config: check_up(config, lambda: time.time() + off_s))
    (clock,) = [one for one in _look(s3.settings("x")) if one[0] == "clock"]
    assert clock[1] == "warning"
    assert told in clock[2]
    assert "NTP" in clock[3]


def test_a_database_that_is_well_and_one_that_is_not_there(tmp_path: Path) -> None:
    with postgresql.running(durable=True) as server:
        settings = {"index__url": server.url}
        assert _doctor(tmp_path / "data", settings).states("index") == {server.url: "ok"}
        server.execute("ALTER DATABASE pacs SET default_transaction_read_only = on")
        found = _doctor(tmp_path / "data", settings).one("index")
        assert (found["state"], "it is read-only" in found["message"]) == ("failed", True)
        server.stop()
        found = _doctor(tmp_path / "data", settings).one("index")
        assert (found["state"], "index.url" in found["next_step"]) == ("failed", True)


def test_a_bucket_that_keeps_versions(s3: SeaweedFS) -> None:
    s3.told("s3.bucket.create -name versioned", "s3.bucket.versioning -name versioned -status Enabled")
    found = {subject: (state, step) for subject, state, _, step in _look(s3.settings("x"), url="s3://versioned/x")}
    assert found["versions"][0] == "warning"
    assert "delete old versions" in found["versions"][1]
