"""Pixels that name people are blanked in real ultrasound images, and kinds of pixels that are no pictures stay."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from tests.cli.conftest import Invoke
from tests.dicom.files import real_file

JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
RULES = """
[[rule]]
modality = "US"
rows = 480
columns = 640
blank = [[0, 0, 640, 106], [0, 338, 640, 142], [0, 130, 60, 110], [580, 130, 60, 110]]
"""


class Deidentify:
    """Runs the command on one file, and reads what it writes."""

    def __init__(self, archimage: Invoke, folder: Path) -> None:
        self._archimage = archimage
        self._folder = folder

    def __call__(self, path: Path, *options: object) -> tuple[int, list[Dataset]]:
        out = self._folder / "out"
        common = ("deidentify", path, "-o", out, "--project", "p", "--data", self._folder / "data")
        code = self._archimage(*common, *options).code
        return code, [pydicom.dcmread(written) for written in out.iterdir()]


@pytest.fixture
def deidentify(archimage: Invoke, tmp_path: Path) -> Deidentify:
    return Deidentify(archimage, tmp_path)


def test_a_hospital_in_a_real_ultrasound_image_refuses_it_until_a_rule_blanks_it(
    deidentify: Deidentify, tmp_path: Path
) -> None:
    path = real_file("examples_jpeg2k.dcm")
    assert deidentify(path) == (1, [])
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    code, (result,) = deidentify(path, "--rules", rules)
    assert code == 0
    assert result.file_meta.TransferSyntaxUID == JPEG_2000_LOSSLESS
    before, after = pydicom.dcmread(path).pixel_array, result.pixel_array
    assert (after[:106] == before.min()).all()
    assert (after[338:] == before.min()).all()
    assert np.array_equal(after[106:338, 60:580], before[106:338, 60:580])


def test_of_a_jpeg_loop_all_but_the_regions_that_it_describes_is_blanked_without_further_loss(
    deidentify: Deidentify,
) -> None:
    path = real_file("examples_ybr_color.dcm")
    original = pydicom.dcmread(path)
    code, (result,) = deidentify(path)
    assert code == 0
    assert result.file_meta.TransferSyntaxUID == JPEG_2000_LOSSLESS
    assert (result.NumberOfFrames, result.LossyImageCompression) == (original.NumberOfFrames, "01")
    inside = np.zeros((original.Rows, original.Columns), bool)
    for region in original.SequenceOfUltrasoundRegions:
        rows = slice(region.RegionLocationMinY0, region.RegionLocationMaxY1 + 1)
        inside[rows, region.RegionLocationMinX0 : region.RegionLocationMaxX1 + 1] = True
    before, after = original.pixel_array, result.pixel_array
    assert not inside.all()
    assert (after[:, ~inside] == after.min()).all()
    difference = np.abs(after[:, inside].astype(int) - before[:, inside].astype(int))
    assert difference.max() <= 3  # two decoders of JPEG


def changed(path: Path, pixels: tuple[str, bytes], sop_class: str) -> FileDataset:
    """An MR image with other pixels than those of integers."""
    dataset = pydicom.dcmread(path)
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"):
        if keyword in dataset:
            del dataset[keyword]
    setattr(dataset, *pixels)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    return dataset


def test_spectra_and_floating_pixels_stay_as_they_are(deidentify: Deidentify, tmp_path: Path) -> None:
    spectra = np.arange(32, dtype="<f4").tobytes()
    floats = np.arange(64 * 64, dtype="<f4").tobytes()
    spectroscopy = changed(real_file("MR_small.dcm"), ("SpectroscopyData", spectra), "1.2.840.10008.5.1.4.1.1.4.2")
    del spectroscopy.BitsAllocated
    spectroscopy.save_as(tmp_path / "spectra.dcm")
    parametric = changed(real_file("MR_small.dcm"), ("FloatPixelData", floats), "1.2.840.10008.5.1.4.1.1.30")
    parametric.BitsAllocated, parametric.SOPInstanceUID = 32, "1.2.3"
    parametric.save_as(tmp_path / "floats.dcm")
    code, (first,) = deidentify(tmp_path / "spectra.dcm")
    assert code == 0
    assert np.array_equal(first.SpectroscopyData, np.frombuffer(spectra, "<f4")) or first.SpectroscopyData == spectra
    code, both = deidentify(tmp_path / "floats.dcm")
    assert code == 0
    assert floats in [result.get("FloatPixelData") for result in both]
