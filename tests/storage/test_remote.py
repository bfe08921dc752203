"""Tests of storage.remote over real servers: parts, marks, encryption, keys that are refused, silent stores."""

import os
import secrets
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest

from archimage.config_object_store import ObjectStoreConfig
from archimage.errors import ConfigError, OutOfResourcesError, UnavailableError
from archimage.ports.storage import SentAhead
from archimage.storage.remote.client import Clients
from archimage.storage.remote.store import RemoteObjects
from tests.servers.faulty import faulty
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.stores import settings

MIB = 1 << 20


@contextmanager
def remote(found: dict[str, Any]) -> Iterator[RemoteObjects]:
    """Open a store."""
    with closing(RemoteObjects(ObjectStoreConfig.model_validate(found))) as objects:
        yield objects


@pytest.fixture(params=["s3", "azure", "google"])
def objects(request: pytest.FixtureRequest) -> Iterator[RemoteObjects]:
    """Every kind of store, with parts that are as small as can be."""
    config = settings(request.param, request, multipart_threshold_bytes=MIB)
    with closing(RemoteObjects(config)) as store:
        yield store


def test_a_large_object_goes_in_parts_and_tells_how_far_it_is(objects: RemoteObjects, tmp_path: Path) -> None:
    data, told = os.urandom(12 * MIB), list[tuple[int, int]]()
    file = tmp_path / "file"
    file.write_bytes(data)
    objects.put("1/2/3.dcm", file, 30.0, lambda sent, size: told.append((sent, size)))
    assert told[-1] == (len(data), len(data))
    assert [sent for sent, _ in told[:3]] == [5 * MIB, 10 * MIB, 12 * MIB]
    assert objects.get("1/2/3.dcm", 0, len(data)) == (data, len(data))


def test_what_is_created_is_marked_and_what_is_there_is_not_touched(objects: RemoteObjects) -> None:
    mark = objects.create("1/2/3.dcm", b"one").mark
    assert mark
    assert objects.is_marked("1/2/3.dcm", mark)
    assert objects.create("1/2/3.dcm", b"another") == SentAhead("1/2/3.dcm", taken=True)
    assert objects.get("1/2/3.dcm", 0, 99).data == b"one"
    assert not objects.is_marked("1/2/4.dcm", mark)


def test_what_goes_in_parts_has_its_path_for_itself_and_takes_the_place_of_nothing(
    objects: RemoteObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, others = tmp_path / "file", list[SentAhead]()
    large.write_bytes(os.urandom(6 * MIB))
    put_parts = objects._put_parts

    def put_while_another_comes(*arguments: Any) -> None:
        others.append(objects.create("1/2/3.dcm", b"small"))
        put_parts(*arguments)

    monkeypatch.setattr(objects, "_put_parts", put_while_another_comes)
    mark = objects.create("1/2/3.dcm", large).mark
    assert others == [SentAhead("1/2/3.dcm", taken=True)]
    assert objects.is_marked("1/2/3.dcm", mark)
    assert objects.get("1/2/3.dcm", 0, 7 * MIB).data == large.read_bytes()
    assert objects.create("1/2/4.dcm", b"small").mark
    assert objects.create("1/2/4.dcm", large) == SentAhead("1/2/4.dcm", taken=True)
    assert objects.get("1/2/4.dcm", 0, 99).data == b"small"


def test_what_lies_there_and_is_another_object_is_replaced_and_the_same_is_not_sent_again(
    s3: SeaweedFS, tmp_path: Path
) -> None:
    with faulty(s3.port) as proxy, remote(s3.settings(secrets.token_hex(8), endpoint=proxy.endpoint)) as objects:
        for data in (b"one", b"another"):
            (tmp_path / "file").write_bytes(data)
            objects.put("1/2/3.dcm", tmp_path / "file")
        assert objects.get("1/2/3.dcm", 0, 99).data == b"another"
        before = proxy.count("PUT")
        objects.put("1/2/3.dcm", tmp_path / "file")
        assert proxy.count("PUT") == before + 1


def test_every_object_is_encrypted_when_that_is_asked_for(s3: SeaweedFS, tmp_path: Path) -> None:
    prefix = secrets.token_hex(8)
    large = tmp_path / "file"
    large.write_bytes(os.urandom(6 * MIB))
    with remote(s3.settings(prefix, encryption="AES256", multipart_threshold_bytes=MIB)) as objects:
        objects.create("1/2/3.dcm", b"an object")
        objects.put("1/2/4.dcm", large)
        assert objects.get("1/2/3.dcm", 3, 6).data == b"object"
        assert objects.get("1/2/4.dcm", 5 * MIB, 100).data == large.read_bytes()[5 * MIB : 5 * MIB + 100]
    for name in ("1/2/3.dcm", "1/2/4.dcm"):
        address = obstore.sign(s3.store(prefix), "GET", name, timedelta(minutes=1))
        assert _headers(address)["x-amz-server-side-encryption"] == "AES256"


def _headers(address: str) -> dict[str, str]:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - an address of our own
        return {name.lower(): value for name, value in answer.getheaders()}


def test_a_key_that_is_refused_is_told_with_what_to_do(s3: SeaweedFS) -> None:
    with (
        remote(s3.settings("x", secret="another secret")) as objects,
        pytest.raises(UnavailableError, match="refuses our key") as raised,
    ):
        objects.create("1/2/3.dcm", b"one")
    assert "object_store.key_id" in str(raised.value.next_step)
    assert "another secret" not in str(raised.value)


def test_a_full_store_is_told_as_that(s3: SeaweedFS) -> None:
    with faulty(s3.port) as proxy, remote(s3.settings("x", endpoint=proxy.endpoint)) as objects:
        proxy.fail("507")
        with pytest.raises(OutOfResourcesError, match="is full"):
            objects.create("1/2/3.dcm", b"one")


def test_a_failing_store_is_asked_again_and_again_with_pauses(s3: SeaweedFS) -> None:
    with faulty(s3.port) as proxy, remote(s3.settings("x", endpoint=proxy.endpoint, retries=3)) as objects:
        proxy.fail("500", "HEAD")
        with pytest.raises(UnavailableError):
            objects.check()
        assert 2 <= proxy.count("HEAD") <= 4


def test_a_silent_store_is_given_up_in_time(s3: SeaweedFS) -> None:
    with faulty(s3.port) as proxy, remote(s3.settings("x", endpoint=proxy.endpoint, timeout_s=1.0)) as objects:
        proxy.fail("hang")
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            objects.create("1/2/3.dcm", b"one")
        with pytest.raises(UnavailableError, match="out of reach"):
            objects.check()
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"url": "gs://bucket", "secret": '{"private_key": "geheim'}, "Unable to decode service account file"),
        ({"url": "az://archive", "key_id": "account", "secret": "geheim!"}, "Invalid Access Key"),
        ({"url": "s3://archive", "key_id": "AKIA"}, "Missing SecretAccessKey"),
    ],
)
def test_settings_that_no_client_can_use_are_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, str], told: str
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(ConfigError, match=f"object_store cannot be used: .*{told}") as caught:
        Clients(ObjectStoreConfig.model_validate(found))
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"url": "ftp://bucket"}, "begins with s3://"),
        ({"url": "s3://"}, "names no bucket"),
        ({"url": "s3://key:secret@bucket"}, "begins with s3://"),
        ({"url": "az://archive", "encryption": "AES256"}, "is for S3"),
        ({"url": "s3://archive", "encryption": "AES256", "encryption_key": "x"}, "needs encryption"),
        ({"url": "s3://archive", "endpoint": "http://user@host"}, "endpoint"),
    ],
)
def test_settings_that_make_no_sense_are_refused(found: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ObjectStoreConfig.model_validate(found)
