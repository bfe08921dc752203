"""Orthanc in both directions: it takes, sends, queries and moves; we do the same to it."""

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from archimage.dicom.diff import diff
from archimage.dicom.part10 import encode_file_meta
from archimage.dicom.scan import scan
from archimage.net.blocking import Client
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import UNCOMPRESSED, as_receiver, for_services, for_storage, propose
from archimage.protocol import uids
from tests.interop.peers import Memory, Sample, free_port, identifier, listener, serve

_AE_TITLE = "ORTHANC"
_SOP_CLASS_UID = 0x00080016


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc that knows our archive as `archimage`, and our archive, which knows it."""

    node: RemoteNode
    http_port: int
    archive: RemoteNode

    def ask(self, path: str, body: object = None) -> Any:
        """Call its REST interface: GET, or POST with a body, JSON unless it is bytes."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", data, timeout=60) as answer:
            content = answer.read()
        return content if path.endswith("/file") else json.loads(content)

    def dataset(self, resource: str) -> pydicom.Dataset:
        """Return what it keeps of an instance."""
        return _read(self.ask(f"/instances/{resource}/file"))


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc and our archive, both empty."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Orthanc is missing: apt-get install orthanc")
    assert program is not None
    folder = tmp_path_factory.mktemp("orthanc")
    node, http_port = RemoteNode(_AE_TITLE, "127.0.0.1", free_port()), free_port()
    with serve(folder / "data", "--node", f"{_AE_TITLE}=127.0.0.1:{node.port}") as archive:
        settings = folder / "orthanc.json"
        settings.write_text(json.dumps(_settings(folder, node.port, http_port, archive)))
        with listener([program, settings], node.port, folder / "orthanc.log"):
            yield Orthanc(node, http_port, archive)


def _settings(folder: Path, port: int, http_port: int, archive: RemoteNode) -> dict[str, object]:
    return {
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [],
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": _AE_TITLE,
        "DicomPort": port,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowGet": True,
        "UnknownSopClassAccepted": True,
        "TranscodeDicomProtocol": False,
        "DicomModalities": {"archimage": [archive.ae_title, archive.host, archive.port]},
    }


@pytest.fixture(scope="module")
def images(samples: list[Sample]) -> list[Sample]:
    """Real files, two of each SOP class and transfer syntax; Orthanc does not read those that give UIDs the VR UN."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.study_instance_uid and sample.pair[1] != uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            header = scan(sample.dataset, sample.pair[1], frozenset({_SOP_CLASS_UID}))
            if header.text(_SOP_CLASS_UID) == sample.pair[0] and header.found[_SOP_CLASS_UID][0] != "UN":
                found.setdefault(sample.pair, []).append(sample)
    return [sample for group in found.values() for sample in group[:2]]


def _delete(orthanc: Orthanc, resource: str) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{orthanc.http_port}/instances/{resource}", method="DELETE")
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - http on loopback


def _read(part10: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(BytesIO(part10), force=True)


def _same(first: pydicom.Dataset, second: pydicom.Dataset) -> bool:
    """Compare element by element: Orthanc writes data sets anew, group lengths and trailing padding its own way."""
    changed = (difference.path for difference in diff(first, second))
    return all(path == "DataSetTrailingPadding" or path.endswith(",0000)") for path in changed)


def test_both_answer_the_other_s_echo(orthanc: Orthanc) -> None:
    assert orthanc.ask("/modalities/archimage/echo", {}) == {}
    with Client("ARCHIMAGE") as client, client.connect(orthanc.node, for_services(uids.VERIFICATION)) as association:
        assert association.echo() == 0


def test_what_orthanc_sends_us_it_finds_and_moves_back(orthanc: Orthanc, images: list[Sample]) -> None:
    kept = {orthanc.ask("/instances", sample.path.read_bytes())["ID"]: sample for sample in images}
    before = {resource: orthanc.dataset(resource) for resource in kept}
    sent = orthanc.ask("/modalities/archimage/store", {"Resources": list(kept), "Synchronous": True})
    assert (sent["InstancesCount"], sent["FailedInstancesCount"]) == (len(kept), 0)
    for resource in kept:
        _delete(orthanc, resource)
    studies = {sample.study_instance_uid for sample in images}
    for study in studies:
        query = orthanc.ask(
            "/modalities/archimage/query", {"Level": "Study", "Query": {"StudyInstanceUID": study, "PatientName": ""}}
        )["ID"]
        assert orthanc.ask(f"/queries/{query}/answers") == ["0"]
        orthanc.ask(f"/queries/{query}/answers/0/retrieve", {"TargetAet": _AE_TITLE, "Synchronous": True})
    assert set(orthanc.ask("/instances")) == kept.keys()
    assert [resource for resource in kept if not _same(orthanc.dataset(resource), before[resource])] == []


def test_what_we_send_orthanc_we_find_and_get_back(orthanc: Orthanc, images: list[Sample]) -> None:
    contexts = for_storage(sample.pair for sample in images)
    with Client("ARCHIMAGE") as client:
        with client.connect(orthanc.node, contexts) as association:
            assert {association.store(sample.outgoing) for sample in images} == {0}
        memory = Memory()
        wanted: list[tuple[str, tuple[str, ...]]] = [
            (uid, UNCOMPRESSED) for uid in (uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_GET)
        ]
        wanted += [(context.abstract_syntax, context.transfer_syntaxes) for context in contexts]
        with client.connect(orthanc.node, propose(wanted), as_receiver(contexts)) as association:
            for study in {sample.study_instance_uid for sample in images}:
                syntax = association.transfer_syntax(uids.STUDY_ROOT_FIND)
                asked = identifier("STUDY", syntax, StudyInstanceUID=study)
                assert len(list(association.find(uids.STUDY_ROOT_FIND, asked))) == 1
                *_, last = association.get(uids.STUDY_ROOT_GET, asked, memory.open)
                assert (last.status, last.failed) == (0, 0)
    assert memory.datasets.keys() >= {sample.sop_instance_uid for sample in images}
    changed = [
        sample.path.name
        for sample in images
        if not _same(_decoded(memory.datasets[sample.sop_instance_uid], sample), _decoded(sample.dataset, sample))
    ]
    assert changed == []


def _decoded(dataset: bytes, sample: Sample) -> pydicom.Dataset:
    return _read(encode_file_meta(sample.meta) + dataset)
