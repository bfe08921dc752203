"""The demo studies are valid, plainly invented, the same every time, and refer to one another as they say."""

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset

from archimage.dicom.demo import SLICES, demo_files, demo_uid, number_of_files

_SLICES = 18  # one picture each 20 mm: every organ is in several

_SEGMENTS = ["Right lung", "Left lung", "Heart", "Liver", "Spleen", "Right kidney", "Left kidney"]


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return list(demo_files(_SLICES))


@pytest.fixture(scope="module")
def studies(files: list[bytes]) -> dict[str, list[Dataset]]:
    """The objects by their modality, in the order in which they are made."""
    found: dict[str, list[Dataset]] = {}
    for data in files:
        ds = pydicom.dcmread(io.BytesIO(data))
        found.setdefault(ds.Modality, []).append(ds)
    return found


@pytest.fixture(scope="module")
def densities(studies: dict[str, list[Dataset]]) -> npt.NDArray[np.int32]:
    """The CT in Hounsfield units: (pictures, rows, columns)."""
    return np.stack([ds.pixel_array.astype(np.int32) + int(ds.RescaleIntercept) for ds in studies["CT"]])


def test_there_is_a_ct_with_segmentation_and_report_an_mr_a_cr_and_a_us(studies: dict[str, list[Dataset]]) -> None:
    counts = {modality: len(objects) for modality, objects in studies.items()}
    assert counts == {"CT": _SLICES, "SEG": 1, "SR": 1, "MR": 9, "CR": 2, "US": 1}


@pytest.mark.parametrize("slices", [1, 5, _SLICES])
def test_as_many_files_are_made_as_are_promised(slices: int) -> None:
    assert sum(1 for _ in demo_files(slices)) == number_of_files(slices)


def test_without_a_number_the_slices_of_the_ct_are_five_millimetres_thick() -> None:
    first = pydicom.dcmread(io.BytesIO(next(demo_files())))
    assert first.SliceThickness == 5
    assert first.StudyInstanceUID == demo_uid("DEMO-CT", SLICES, "study")


def test_every_patient_is_plainly_invented(studies: dict[str, list[Dataset]]) -> None:
    for ds in (ds for objects in studies.values() for ds in objects):
        assert str(ds.PatientName).startswith("Demo^")
        assert ds.PatientID.startswith("DEMO-")
        assert str(ds.ReferringPhysicianName).startswith("Demo^")
        assert ds.InstitutionName == "Demo Hospital"


def test_uids_are_unique_derived_and_grouped(studies: dict[str, list[Dataset]]) -> None:
    objects = [ds for objects in studies.values() for ds in objects]
    assert len({ds.SOPInstanceUID for ds in objects}) == len(objects)
    assert len({ds.StudyInstanceUID for ds in objects}) == 4
    assert len({ds.SeriesInstanceUID for ds in objects}) == 9
    assert {ds.StudyInstanceUID for ds in studies["SEG"] + studies["SR"]} == {studies["CT"][0].StudyInstanceUID}
    assert all(len(uid) <= 64 and uid.startswith("2.25.") for ds in objects for uid in _own_uids(ds))


def _own_uids(ds: Dataset) -> tuple[str, str, str]:
    return ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID


def test_the_same_bytes_are_made_every_time(files: list[bytes]) -> None:
    assert list(demo_files(_SLICES)) == files


def test_another_number_of_slices_makes_other_objects(files: list[bytes]) -> None:
    uids = {pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID for data in files}
    assert not uids & {pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID for data in demo_files(2)}


def test_a_ct_shows_air_lung_fat_soft_tissue_and_bone(densities: npt.NDArray[np.int32]) -> None:
    chest = densities[5]  # z = 70 mm, through the lungs
    assert abs(chest[5, 5] + 1000) < 60  # beside the body
    assert abs(np.median(chest[180:220, 130:160]) + 860) < 60  # the right lung, on the left of the picture
    assert abs(np.median(densities[-6][250:270, 61:66]) + 100) < 60  # fat under the skin
    assert 90 < np.median(densities[10][240:260, 150:170]) < 135  # the liver, with contrast medium
    assert chest.max() > 550  # bone
    shares = [float(((low <= densities) & (densities < high)).mean()) for low, high in _KINDS]
    assert all(share > 0.004 for share in shares), shares


_KINDS = ((-1100, -950), (-920, -780), (-150, -50), (20, 130), (350, 1200))  # air, lung, fat, soft tissue, bone


def test_the_ct_lies_in_space_from_the_shoulders_down(studies: dict[str, list[Dataset]]) -> None:
    heights = [ds.ImagePositionPatient[2] for ds in studies["CT"]]
    assert np.allclose(np.diff(heights), -360 / _SLICES, atol=1e-3)
    assert {ds.FrameOfReferenceUID for ds in studies["CT"] + studies["SEG"]} == {studies["CT"][0].FrameOfReferenceUID}


def test_each_frame_of_the_segmentation_refers_to_the_ct_picture_that_it_lies_on(
    studies: dict[str, list[Dataset]],
) -> None:
    segmentation, pictures = studies["SEG"][0], {ds.SOPInstanceUID: ds for ds in studies["CT"]}
    assert [segment.SegmentLabel for segment in segmentation.SegmentSequence] == _SEGMENTS
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        source = pictures[frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        assert frame.PlanePositionSequence[0].ImagePositionPatient == source.ImagePositionPatient
    assert (segmentation.Rows, segmentation.Columns) == studies["CT"][0].pixel_array.shape


def _outlines(studies: dict[str, list[Dataset]]) -> Iterator[tuple[str, int, npt.NDArray[np.bool_]]]:
    """Yield for each frame of the segmentation: its organ, the CT picture's place in the stack, and what is covered."""
    segmentation = studies["SEG"][0]
    order = {ds.SOPInstanceUID: number for number, ds in enumerate(studies["CT"])}
    frames = zip(segmentation.PerFrameFunctionalGroupsSequence, segmentation.pixel_array, strict=True)
    for frame, bits in frames:
        segment = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        yield _SEGMENTS[segment - 1], order[source], bits.astype(bool)


def test_the_segmentation_covers_the_organs_that_it_names(
    studies: dict[str, list[Dataset]], densities: npt.NDArray[np.int32]
) -> None:
    inside: dict[str, list[npt.NDArray[np.int32]]] = {organ: [] for organ in _SEGMENTS}
    middles: dict[str, list[float]] = {organ: [] for organ in _SEGMENTS}
    for organ, number, bits in _outlines(studies):
        assert bits.any()
        inside[organ].append(densities[number][bits])
        middles[organ].append(float(np.nonzero(bits)[1].mean()))
    medians = {organ: float(np.median(np.concatenate(values))) for organ, values in inside.items()}
    assert medians["Right lung"] < -820
    assert medians["Left lung"] < -820
    assert 60 < medians["Heart"] < 220
    assert 100 < medians["Liver"] < 125
    assert 110 < medians["Spleen"] < 140
    assert min(medians["Right kidney"], medians["Left kidney"]) > 120
    sides = {organ: float(np.mean(columns)) - 256 for organ, columns in middles.items()}
    assert all(sides[organ] < -20 for organ in ("Right lung", "Liver", "Right kidney"))  # the patient's right is left
    assert all(sides[organ] > 20 for organ in ("Left lung", "Spleen", "Left kidney"))


def _items(ds: Dataset, value_type: str) -> list[Dataset]:
    """Collect the content items of a type, at any depth."""
    found = [ds] if ds.get("ValueType") == value_type else []
    return found + [hit for part in ds.get("ContentSequence", []) for hit in _items(part, value_type)]


def test_the_report_refers_to_the_ct_and_its_segmentation(studies: dict[str, list[Dataset]]) -> None:
    report = studies["SR"][0]
    known = {ds.SOPInstanceUID: ds for ds in studies["CT"] + studies["SEG"]}
    images = [part.ReferencedSOPSequence[0] for part in _items(report, "IMAGE")]
    assert {known[image.ReferencedSOPInstanceUID].Modality for image in images} == {"CT", "SEG"}
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
    assert evidence.StudyInstanceUID == studies["CT"][0].StudyInstanceUID
    listed = {
        reference.ReferencedSOPInstanceUID
        for series in evidence.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    }
    assert listed == {image.ReferencedSOPInstanceUID for image in images}


def test_the_report_says_what_the_pictures_and_the_segmentation_show(
    studies: dict[str, list[Dataset]], densities: npt.NDArray[np.int32]
) -> None:
    groups = {
        _items(group, "TEXT")[0].TextValue: group
        for part in studies["SR"][0].ContentSequence
        for group in part.get("ContentSequence", [])
        if group.ValueType == "CONTAINER"
    }
    voxels = dict.fromkeys(_SEGMENTS, 0)
    for organ, _, bits in _outlines(studies):
        voxels[organ] += int(bits.sum())
    for organ, count in voxels.items():
        volume, _ = (float(part.MeasuredValueSequence[0].NumericValue) for part in _items(groups[organ], "NUM"))
        assert volume == pytest.approx(count * 0.8 * 0.8 * 20 / 1000, abs=0.1)
    line = _items(groups["Nodule 1"], "SCOORD")[0]
    length = float(_items(groups["Nodule 1"], "NUM")[0].MeasuredValueSequence[0].NumericValue)
    assert length == pytest.approx((line.GraphicData[2] - line.GraphicData[0]) * 0.8, abs=0.1)
    left, row, right, _ = (int(value) for value in line.GraphicData)
    measured = line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    picture = densities[[ds.SOPInstanceUID for ds in studies["CT"]].index(measured)]
    assert np.median(picture[row - 2 : row + 3, left + 2 : right - 1]) > 0  # solid, with lung around it
    assert picture[row - 2 : row + 3, left - 12 : left - 3].mean() < -500


def test_the_mr_shows_a_head_in_three_contrasts_and_two_directions(studies: dict[str, list[Dataset]]) -> None:
    series: dict[str, list[Dataset]] = {}
    for ds in studies["MR"]:
        series.setdefault(ds.SeriesDescription, []).append(ds)
    assert list(series) == ["T1 axial", "T2 axial", "FLAIR sagittal"]
    assert len({tuple(ds.ImageOrientationPatient) for ds in studies["MR"]}) == 2
    t1, t2 = (series[name][1].pixel_array.astype(np.int32) for name in ("T1 axial", "T2 axial"))
    fluid = t2 > 1300  # bright where T2 is long, and there T1 is dark
    assert fluid.sum() > 50
    assert t1[fluid].mean() < 450 < t1[t2 < 700].max()


def test_the_radiographs_are_two_views_with_dark_lungs(studies: dict[str, list[Dataset]]) -> None:
    front, side = studies["CR"]
    assert (front.ViewPosition, side.ViewPosition) == ("PA", "LL")
    film = front.pixel_array.astype(np.int32)
    lung, middle = film[240:320, 160:240].mean(), film[240:320, 420:480].mean()
    assert lung + 800 < middle


def test_the_us_is_a_coloured_loop_that_moves(studies: dict[str, list[Dataset]]) -> None:
    loop = studies["US"][0]
    frames = loop.pixel_array.astype(np.int32)
    assert frames.shape == (30, 480, 640, 3)
    assert loop.FrameTime == 40
    heart = frames[:, 100:400, 150:500]
    assert all(np.abs(after - before).mean() > 1 for before, after in pairwise(heart))
    redder = (heart[..., 0] - heart[..., 2]).max(axis=(1, 2))
    bluer = (heart[..., 2] - heart[..., 0]).max(axis=(1, 2))
    assert redder.max() > 150  # blood that comes, and blood that goes
    assert bluer.max() > 150
    assert (redder.argmax() - bluer.argmax()) % 30 != 0


def test_every_picture_of_a_modality_is_different(studies: dict[str, list[Dataset]]) -> None:
    for objects in (studies["CT"], studies["MR"], studies["CR"]):
        assert len({ds.PixelData for ds in objects}) == len(objects)


def _verifier(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is missing: apt-get install dicom3tools")
    assert found is not None
    return found


@pytest.mark.parametrize("slices", [1, _SLICES])
def test_dciodvfy_finds_no_error(slices: int, tmp_path: Path) -> None:
    verifier = _verifier("dciodvfy")
    for number, data in enumerate(demo_files(slices)):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(data)
        report = _run(verifier, file)
        assert "Error" not in report, f"{pydicom.dcmread(file).Modality}: {report}"


def test_dcentvfy_finds_the_objects_consistent_with_one_another(files: list[bytes], tmp_path: Path) -> None:
    verifier, written = _verifier("dcentvfy"), []
    for number, data in enumerate(files):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(data)
        written.append(file)
    assert "Error" not in _run(verifier, *written)


def _run(*command: Any) -> str:
    report = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)
    return report.stdout + report.stderr
