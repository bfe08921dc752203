"""The demo studies are valid, plainly invented and the same every time."""

import io
import os
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from archimage.dicom.demo import demo_files


@pytest.fixture(scope="module")
def studies() -> list[Dataset]:
    return [pydicom.dcmread(io.BytesIO(data)) for data in demo_files(slices=4)]


def test_there_is_a_ct_an_mr_a_cr_and_a_multi_frame_us(studies: list[Dataset]) -> None:
    assert [ds.Modality for ds in studies] == ["CT"] * 4 + ["MR"] * 2 + ["CR"] * 2 + ["US"]
    assert studies[-1].pixel_array.shape == (24, 480, 480)
    assert studies[0].pixel_array.shape == (512, 512)


def test_every_patient_is_plainly_invented(studies: list[Dataset]) -> None:
    assert all(str(ds.PatientName).startswith("Demo^") and ds.PatientID.startswith("DEMO-") for ds in studies)


def test_a_ct_shows_air_lung_soft_tissue_and_bone(studies: list[Dataset]) -> None:
    pixels = studies[1].pixel_array
    assert pixels.dtype == "int16"
    assert pixels[5, 5] < -900
    assert -900 < pixels[256, 150] < -700
    assert -50 < pixels[150, 256] < 150
    assert pixels.max() > 500


def test_uids_are_unique_derived_and_grouped(studies: list[Dataset]) -> None:
    assert len({ds.SOPInstanceUID for ds in studies}) == len(studies)
    assert len({ds.StudyInstanceUID for ds in studies}) == 4
    assert all(ds.SOPInstanceUID.startswith("2.25.") and len(ds.SOPInstanceUID) <= 64 for ds in studies)


def test_the_same_studies_are_made_every_time_and_others_under_other_uids() -> None:
    first, again, larger = (next(demo_files(slices)) for slices in (2, 2, 3))
    assert first == again
    uids = {pydicom.dcmread(io.BytesIO(data)).SOPInstanceUID for data in (first, larger)}
    assert len(uids) == 2


def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    verifier = shutil.which("dciodvfy")
    if verifier is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("dciodvfy is missing: apt-get install dicom3tools")
    assert verifier is not None
    for number, data in enumerate(demo_files(slices=2)):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(data)
        report = subprocess.run([verifier, str(file)], capture_output=True, text=True, timeout=30, check=False)
        assert "Error" not in report.stdout + report.stderr
