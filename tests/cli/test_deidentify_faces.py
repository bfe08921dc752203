"""`archimage deidentify` with faces removed: whole series in any order and encoding, and what is refused."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from tests.cli.conftest import Invoke
from tests.dicom.deidentify.heads import MR, Scan
from tests.dicom.files import real_files

WANTED = ("--option", "clean-recognizable-visual-features")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head in CT, axial, packed, and in MR, sagittal, and a report."""
    folder = tmp_path_factory.mktemp("study")
    for number, scan in enumerate((Scan("axial", noise=0), Scan("sagittal", MR, noise=0, number=2))):
        for one in scan.slices:
            if number == 0:
                one.compress(RLELossless)
            one.save_as(folder / f"{one.InstanceNumber:03}-{number}.dcm")
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.88.33")
    one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = UID("2.25.5")
    one.SeriesInstanceUID, one.Modality = "2.25.6", "SR"
    del one.PixelData, one.Rows, one.Columns
    one.save_as(folder / "report.dcm")
    return folder


def test_faces_go_from_all_series_that_show_one_and_other_kinds_are_refused(
    archimage: Invoke, tmp_path: Path, study: Path
) -> None:
    common = ("deidentify", study, "--project", "p", "--data", tmp_path / "data", "--json")
    plain = archimage(*common, "-o", tmp_path / "plain")
    assert (plain.code, plain.json["written"]) == (0, 2 * 96 + 1)
    result = archimage(*common, "-o", tmp_path / "out", *WANTED)
    assert (result.code, result.json["written"], result.json["refused"]) == (1, 2 * 96, 1)
    assert [one["reason"] for one in result.json["problems"]] == [
        "faces are removed from plain CT and MR images alone, and it is neither"
    ]
    for modality, syntax in (("CT", RLELossless), ("MR", ExplicitVRLittleEndian)):
        before, after = (series(tmp_path / name, modality) for name in ("plain", "out"))
        changed = [
            not np.array_equal(one.pixel_array, other.pixel_array) for one, other in zip(before, after, strict=True)
        ]
        assert 20 < sum(changed) < 96
        assert {one.file_meta.TransferSyntaxUID for one in after} == {syntax}
        assert {one.RecognizableVisualFeatures for one in after} == {"NO"}
        codes = [[code.CodeValue for code in one.DeidentificationMethodCodeSequence] for one in after]
        assert codes == [["113100", "113101", "113102"]] * 96
        assert "RecognizableVisualFeatures" not in before[0]


def series(folder: Path, modality: str) -> list[Dataset]:
    """The slices of a folder's series of a modality, in their order."""
    found = [pydicom.dcmread(path) for path in folder.iterdir()]
    wanted = [one for one in found if one.Modality == modality and "PixelData" in one]
    return sorted(wanted, key=lambda one: int(one.InstanceNumber))


def test_of_a_series_that_is_not_whole_nothing_is_written(archimage: Invoke, tmp_path: Path) -> None:
    into = tmp_path / "in"
    into.mkdir()
    for one in Scan("axial", MR, noise=0).slices:
        if one.InstanceNumber != 50:
            one.save_as(into / f"{one.InstanceNumber}.dcm")
    common = ("-o", tmp_path / "out", "--project", "p", "--data", tmp_path / "data", "--json")
    result = archimage("deidentify", into, *common, *WANTED)
    assert (result.code, result.json["written"], result.json["refused"]) == (1, 0, 95)
    assert {one["reason"] for one in result.json["problems"]} == {
        "the slices of its series are not evenly spaced, each at a place of its own"
    }
    assert not list((tmp_path / "out").iterdir())


def test_two_objects_under_one_uid_refuse_their_series(archimage: Invoke, tmp_path: Path) -> None:
    into = tmp_path / "in"
    into.mkdir()
    for one in Scan("axial", MR, noise=0).slices:
        one.save_as(into / f"{one.InstanceNumber}.dcm")
    one.ImagePositionPatient[2] += 3
    one.save_as(into / "another.dcm")
    common = ("-o", tmp_path / "out", "--project", "p", "--data", tmp_path / "data", "--json")
    result = archimage("deidentify", into, *common, *WANTED)
    assert (result.json["written"], result.json["refused"]) == (0, 97)
    assert {one["reason"] for one in result.json["problems"]} == {"different objects have its SOP Instance UID"}


def test_real_files_of_single_slices_and_other_kinds_are_refused(archimage: Invoke, tmp_path: Path) -> None:
    into = tmp_path / "in"
    into.mkdir()
    for path in real_files():
        (into / path.name).write_bytes(path.read_bytes())
    common = ("-o", tmp_path / "out", "--project", "p", "--data", tmp_path / "data", "--json")
    result = archimage("deidentify", into, *common, *WANTED)
    assert (result.code, result.json["written"]) == (1, 0)
    assert result.json["refused"] > 20
    assert any("fewer than 8 slices" in one["reason"] for one in result.json["problems"])


def test_pixels_cannot_be_kept_as_well(archimage: Invoke, tmp_path: Path, study: Path) -> None:
    result = archimage("deidentify", study, "-o", tmp_path / "out", "--project", "p", "--keep-pixels", *WANTED)
    assert result.code == 1
    assert "removes pixels" in result.err
