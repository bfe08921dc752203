"""Orthanc with its DICOMweb plugin as a client of ours: it stores, searches and retrieves, and nothing changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

from archimage.dicom.part10 import decode_file_meta, encode_file_meta
from archimage.protocol import uids
from tests.interop.orthanc import Orthanc, parse, run_orthanc, same
from tests.interop.peers import Sample, Served, free_port, missing, serve_both

_PLUGIN: Final = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_US: Final = "/dicom-web/servers/archimage"
_AS_STORED: Final = (("application/dicom", "*"),)
_UNREADABLE: Final = frozenset({uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN})


@dataclass(frozen=True)
class Pair:
    """Orthanc, which knows us as `archimage`, and our archive."""

    orthanc: Orthanc
    archive: Served

    def call(self, what: str, body: object) -> Any:
        """Have Orthanc call our DICOMweb service."""
        return self.orthanc.ask(f"{_US}/{what}", body)

    @property
    def ours(self) -> DICOMwebClient:
        """A client of our archive."""
        return DICOMwebClient(self.archive.dicomweb_url)

    @property
    def theirs(self) -> DICOMwebClient:
        """A client of Orthanc."""
        return DICOMwebClient(f"http://127.0.0.1:{self.orthanc.http_port}/dicom-web")

    def dataset(self, resource: str) -> bytes:
        """Return the data set in a file that Orthanc keeps."""
        file: bytes = self.orthanc.ask(f"/instances/{resource}/file")
        return file[decode_file_meta(file)[1] :]

    def clear(self) -> None:
        """Let Orthanc forget what it keeps."""
        for resource in self.orthanc.ask("/instances"):
            self.orthanc.delete(resource)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, empty."""
    if not _PLUGIN.exists():
        missing("Orthanc's DICOMweb plugin is missing: apt-get install orthanc-dicomweb")
    folder = tmp_path_factory.mktemp("orthanc")
    with serve_both(folder / "data") as archive:
        web = {"Enable": True, "Root": "/dicom-web/", "Servers": {"archimage": [f"{archive.dicomweb_url}/"]}}
        settings = {"Plugins": [str(_PLUGIN)], "DicomWeb": web}
        with run_orthanc(folder, free_port(), settings) as orthanc:
            yield Pair(orthanc, archive)


@pytest.fixture(scope="module")
def images(samples: list[Sample], pair: Pair) -> dict[str, Sample]:
    """Real files that Orthanc takes, two of each SOP class and transfer syntax, by its names for them."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.study_instance_uid and sample.pair[1] not in _UNREADABLE:
            found.setdefault(sample.pair, []).append(sample)
    chosen = [sample for group in found.values() for sample in group[:2]]
    return {pair.orthanc.ask("/instances", sample.path.read_bytes())["ID"]: sample for sample in chosen}


@pytest.fixture(scope="module")
def stowed(images: dict[str, Sample], pair: Pair) -> dict[str, bytes]:
    """What Orthanc kept and has stowed with us, its data sets."""
    kept = {resource: pair.dataset(resource) for resource in images}
    assert pair.call("stow", {"Resources": list(images)})["InstancesCount"] == str(len(images))
    return kept


def test_what_orthanc_stows_it_retrieves_bit_for_bit(
    pair: Pair, images: dict[str, Sample], stowed: dict[str, bytes]
) -> None:
    pair.clear()
    for study in {sample.study_instance_uid for sample in images.values()}:
        pair.call("retrieve", {"Resources": [{"Study": study}]})
    assert {resource: pair.dataset(resource) for resource in pair.orthanc.ask("/instances")} == stowed


def test_it_retrieves_one_instance_bit_for_bit(pair: Pair, images: dict[str, Sample], stowed: dict[str, bytes]) -> None:
    resource, sample = next(iter(images.items()))
    pair.orthanc.delete(resource)
    series = header_of(stowed[resource], sample).SeriesInstanceUID
    wanted = {"Study": sample.study_instance_uid, "Series": series, "Instance": sample.sop_instance_uid}
    assert pair.call("retrieve", {"Resources": [wanted]})["ReceivedInstancesCount"] == "1"
    assert pair.dataset(resource) == stowed[resource]


def test_what_we_serve_is_what_orthanc_holds(pair: Pair, images: dict[str, Sample], stowed: dict[str, bytes]) -> None:
    for resource, sample in images.items():
        header = header_of(stowed[resource], sample)
        assert pair.ours.retrieve_instance(*address(header), media_types=_AS_STORED) == header, sample.path.name


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_its_searches_find_everything(
    pair: Pair, images: dict[str, Sample], stowed: dict[str, bytes], level: str
) -> None:
    keyword = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}[level]
    found = pair.call("qido", {"Uri": f"/{level}", "Arguments": {"PatientName": "*"}})
    headers = map(header_of, stowed.values(), images.values())
    assert sorted(value_of(result, keyword) for result in found) == sorted(
        {header[keyword].value for header in headers}
    )


def test_its_searches_match_as_its_own_server_does(
    pair: Pair, images: dict[str, Sample], stowed: dict[str, bytes]
) -> None:
    headers = map(header_of, stowed.values(), images.values())
    for filters in (one for header in headers for one in asked(header)):
        theirs = pair.theirs.search_for_studies(search_filters=filters)
        ours = pair.ours.search_for_studies(search_filters=filters)
        assert studies(ours) == studies(theirs), filters


def test_what_orthanc_serves_we_store(pair: Pair, images: dict[str, Sample], stowed: dict[str, bytes]) -> None:
    for study in {sample.study_instance_uid for sample in images.values()}:
        pair.ours.delete_study(study)
        pair.ours.store_instances(pair.theirs.retrieve_study(study, media_types=_AS_STORED))
    for resource, sample in images.items():
        header = header_of(stowed[resource], sample)
        assert same(pair.ours.retrieve_instance(*address(header), media_types=_AS_STORED), header), sample.path.name


def asked(header: pydicom.Dataset) -> Iterator[dict[str, str]]:
    """Yield searches that find a study, without what Orthanc matches its own way: old dates, names, folded IDs."""
    yield {"StudyInstanceUID": header.StudyInstanceUID}
    if header.get("PatientID", "").isalnum() and header.PatientID.isupper():
        yield {"PatientID": header.PatientID}
    if header.get("StudyDate", "").isdigit():
        yield {"StudyDate": header.StudyDate}
        yield {"StudyDate": f"{header.StudyDate}-{header.StudyDate}"}


def address(header: pydicom.Dataset) -> tuple[str, str, str]:
    """Return the UIDs that lead to an object."""
    return header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID


def header_of(dataset: bytes, sample: Sample) -> pydicom.Dataset:
    """Read a data set."""
    return parse(encode_file_meta(sample.meta) + dataset)


def value_of(result: dict[str, Any], keyword: str) -> str:
    """Return a value of a search's result as Orthanc tells it."""
    return next(str(one["Value"]) for one in result.values() if one["Name"] == keyword)


def studies(found: list[dict[str, dict[str, Any]]]) -> set[str]:
    """Return the studies of results."""
    return {result["0020000D"]["Value"][0] for result in found}
