"""A client library retrieves everything, in every way that it has, on every real object."""

import io
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from requests.exceptions import HTTPError

from tests.attacks.datasets import SERIES_INSTANCE_UID, new_uid
from tests.dicom.files import real_file
from tests.web.stowing import STUDY, image, store
from tests.web.wadoing import SERIES, Kept, get, identified

_ANY = (("application/dicom", "*"),)
_CINE = "examples_ybr_color.dcm"


@pytest.fixture(scope="module")
def client(port: int) -> DICOMwebClient:
    """The client."""
    return DICOMwebClient(f"http://127.0.0.1:{port}/dicom-web")


def uids(kept: Kept) -> tuple[str, str, str]:
    """Return what names an object."""
    return kept.study, kept.series, kept.uid


def encoded(found: pydicom.Dataset) -> dict[str, Any]:
    """Return a data set as it can be compared, a number that is none included."""
    return {f"{one.tag}": (one.VR, repr(one.value)) for one in found}


def test_no_operation_of_the_client_is_left_out() -> None:
    operations = {name for name in dir(DICOMwebClient) if re.match("(delete|iter|retrieve|search|store)_", name)}
    texts = [Path(__file__).read_text("utf-8"), Path(__file__).with_name("test_stow.py").read_text("utf-8")]
    assert operations <= set(re.findall(r"client\.(\w+)\(", "".join(texts)))


def test_searches_at_every_level(client: DICOMwebClient, real: list[Kept]) -> None:
    kept = real[0]
    of_study = [one for one in real if one.study == kept.study]
    of_series = [one for one in of_study if one.series == kept.series]
    (study,) = client.search_for_studies(search_filters={"StudyInstanceUID": kept.study})
    assert study["00201208"]["Value"] == [len(of_study)]
    series = client.search_for_series(kept.study)
    assert {one["0020000E"]["Value"][0] for one in series} == {one.series for one in of_study}
    instances = client.search_for_instances(kept.study, kept.series)
    assert {one["00080018"]["Value"][0] for one in instances} == {one.uid for one in of_series}
    everywhere = client.search_for_instances(limit=len(real) + 1)
    assert {one["00080018"]["Value"][0] for one in everywhere} >= {one.uid for one in real}
    (page,) = client.search_for_studies(limit=1, offset=1, fuzzymatching=True)
    assert page["0020000D"]["Value"] != client.search_for_studies(limit=1, fuzzymatching=True)[0]["0020000D"]["Value"]


def test_every_object_is_the_one_that_was_stored(client: DICOMwebClient, real: list[Kept]) -> None:
    for kept in real:
        found = client.retrieve_instance(*uids(kept), media_types=_ANY)
        assert found.file_meta.TransferSyntaxUID == kept.meta.transfer_syntax_uid
        wanted = pydicom.dcmread(io.BytesIO(kept.file))
        assert encoded(found) == encoded(wanted), kept.path.name
        assert found.get("PixelData") == wanted.get("PixelData"), kept.path.name


def test_studies_and_series_whole_and_one_by_one(client: DICOMwebClient, real: list[Kept]) -> None:
    studies = defaultdict[str, set[str]](set)
    series = defaultdict[tuple[str, str], set[str]](set)
    for kept in real:
        studies[kept.study].add(kept.uid)
        series[kept.study, kept.series].add(kept.uid)
    for study, wanted in studies.items():
        assert {one.SOPInstanceUID for one in client.retrieve_study(study, media_types=_ANY)} == wanted
    for (study, one_series), wanted in list(series.items())[:20]:
        found = client.iter_series(study, one_series, media_types=_ANY)
        assert {one.SOPInstanceUID for one in found} == wanted
        assert {one.SOPInstanceUID for one in client.retrieve_series(study, one_series, media_types=_ANY)} == wanted
    study = real[0].study
    assert {one.SOPInstanceUID for one in client.iter_study(study, media_types=_ANY)} == studies[study]


def test_objects_in_the_default_of_the_client(client: DICOMwebClient, real: list[Kept]) -> None:
    for kept in real[:20]:
        assert client.retrieve_instance(*uids(kept)).SOPInstanceUID == kept.uid


def test_metadata_at_every_level(client: DICOMwebClient, real: list[Kept], port: int) -> None:
    for kept in real:
        found = client.retrieve_instance_metadata(*uids(kept))
        assert [found] == json.loads(get(port, f"{kept.address}/metadata").body)
        assert found["00080018"]["Value"] == [kept.uid]
    kept = real[0]
    assert found["00083002"]["vr"] == "UI"
    series = client.retrieve_series_metadata(kept.study, kept.series)
    assert kept.uid in {one["00080018"]["Value"][0] for one in series}
    assert len(client.retrieve_study_metadata(kept.study)) >= len(series)


def test_frames_as_they_are_and_decoded(client: DICOMwebClient, real: list[Kept]) -> None:
    wanted = identified(real_file(_CINE))
    assert wanted is not None
    kept = next(kept for kept in real if kept.uid == wanted.uid)
    stored = client.retrieve_instance_frames(*uids(kept), [1, 3])
    assert all(frame[:2] == b"\xff\xd8" or frame in kept.data for frame in stored)
    decoded = client.retrieve_instance_frames(*uids(kept), [1, 3], media_types=("application/octet-stream",))
    assert {len(frame) for frame in decoded} == {240 * 320 * 3}
    asked = (("image/jp2", "1.2.840.10008.1.2.4.90"), ("image/jls", "1.2.840.10008.1.2.4.80"))
    assert len(client.retrieve_instance_frames(*uids(kept), [2], media_types=asked)) == 1
    assert list(client.iter_instance_frames(*uids(kept), [1, 3])) == stored


def test_bulk_data_whole_and_in_ranges(client: DICOMwebClient, port: int) -> None:
    uid, pixels = new_uid(), bytes(range(256)) * 40
    assert store(port, [image(uid, pixels=pixels)]).status == 200
    uri = f"http://127.0.0.1:{port}/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{uid}/bulkdata/7FE00010"
    assert client.retrieve_bulkdata(uri) == [pixels]
    assert list(client.iter_bulkdata(uri, media_types=("application/octet-stream",))) == [pixels]
    assert client.retrieve_bulkdata(uri, byte_range=(3, 9)) == [pixels[3:10]]
    assert list(client.iter_bulkdata(uri, byte_range=(10_000, 20_000))) == [pixels[10_000:]]


@pytest.mark.parametrize("kind", ["bulkdata", "pixeldata"])
def test_all_bulk_data_and_all_pixels_of_each_level(client: DICOMwebClient, port: int, kind: str) -> None:
    series = f"{SERIES}.{len(kind)}"
    frames = {new_uid(): bytes([number]) * 256 for number in range(3)}
    replaced = {SERIES_INSTANCE_UID: series.encode()}
    assert store(port, [image(uid, pixels=frame, replaced=replaced) for uid, frame in frames.items()]).status == 200
    place = f"http://127.0.0.1:{port}/dicom-web/studies/{STUDY}/series/{series}"
    assert sorted(client.retrieve_bulkdata(f"{place}/{kind}")) == sorted(frames.values())
    assert list(client.iter_bulkdata(f"{place}/instances/{max(frames)}/{kind}")) == [frames[max(frames)]]


def test_pictures_at_every_level_that_the_client_knows(client: DICOMwebClient, real: list[Kept]) -> None:
    drawn = 0
    for kept in real:
        try:
            data = client.retrieve_instance_rendered(*uids(kept), media_types=("image/png",))
        except HTTPError as error:
            assert error.response is not None and error.response.status_code == 406  # noqa: PT017, PT018
            continue
        drawn += 1
        frame = client.retrieve_instance_frames_rendered(*uids(kept), [1], media_types=("image/png",))
        assert Image.open(io.BytesIO(frame)).size == Image.open(io.BytesIO(data)).size
    assert drawn > 90
    shown = next(kept for kept in real if kept.path.name == "CT_small.dcm")
    for media_types in (("image/jpeg",), ("image/gif",), ("image/jp2",), None):
        assert client.retrieve_series_rendered(shown.study, shown.series, media_types=media_types)
        assert client.retrieve_instance_rendered(*uids(shown), media_types=media_types)
    small = client.retrieve_instance_rendered(
        *uids(shown), media_types=("image/jpeg",), params={"viewport": "32,32", "quality": 50}
    )
    assert Image.open(io.BytesIO(small)).size == (32, 32)
