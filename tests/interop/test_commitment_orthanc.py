"""Orthanc asks us for storage commitment of what it sent, and hears our result at its listener."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.server import wait_until
from tests.interop.orthanc import AE_TITLE, Orthanc, run_orthanc
from tests.interop.peers import Sample, free_port, serve

_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc, which knows our archive, and our archive, which knows it."""
    folder = tmp_path_factory.mktemp("orthanc")
    port = free_port()
    with serve(folder / "data", "--node", f"{AE_TITLE}=127.0.0.1:{port}") as archive:
        known = {"DicomModalities": {"archimage": [archive.ae_title, archive.host, archive.port]}}
        with run_orthanc(folder, port, known) as orthanc:
            yield orthanc


def test_orthanc_is_told_what_is_kept_and_what_is_not(orthanc: Orthanc, samples: list[Sample]) -> None:
    sent = next(sample for sample in samples if sample.study_instance_uid)
    kept = orthanc.ask("/instances", Path(sent.path).read_bytes())["ID"]
    stored = orthanc.ask("/modalities/archimage/store", {"Resources": [kept], "Synchronous": True})
    assert stored["FailedInstancesCount"] == 0
    absent = {"SOPClassUID": sent.pair[0], "SOPInstanceUID": "1.2.3.4"}
    for more, status in (([], "Success"), ([absent], "Failure")):
        wanted = {"DicomInstances": [{"SOPClassUID": sent.pair[0], "SOPInstanceUID": sent.sop_instance_uid}, *more]}
        transaction = orthanc.ask("/modalities/archimage/storage-commitment", wanted)["ID"]
        path = f"/storage-commitment/{transaction}"
        assert wait_until(lambda: orthanc.ask(path)["Status"] != "Pending", _WITHIN_S)  # noqa: B023 - asked in here
        told = orthanc.ask(path)
        assert told["Status"] == status
        assert [one["SOPInstanceUID"] for one in told["Success"]] == [sent.sop_instance_uid]
        assert [one["SOPInstanceUID"] for one in told["Failures"]] == [one["SOPInstanceUID"] for one in more]
