"""Our pictures are those of DCMTK's dcm2pnm, and of its dcmp2pgm where a presentation state is applied."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from archimage.dicom.encode import encode_dataset
from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.options import RenderOptions
from tests.dicom.files import real_file
from tests.dicom.pictures import Array, decoded, item, real_images, words
from tests.interop.peers import run

EXPLICIT = "1.2.840.10008.1.2.1"
_OTHERWISE = {
    "eCT_Supplemental": "supplemental palettes are not known to it",
    "liver": "it shows single bits at half their brightness",
    "rtdose_expb": "it swaps the halves of 32 bits in big endian",
    "gdcm-US-ALOKA-16": "it does not read segmented palettes",
    "SC_rgb_32bit": "it does not read 32 bits a colour",
    "SC_rgb_expb_32bit": "it does not read 32 bits a colour",
    "MR_truncated": "pydicom does not decode it",
    "badVR": "pydicom does not decode it",
}
"""Files that are not compared, by the beginnings of their names, and why."""


def native_images() -> list[Path]:
    """Return the real images that DCMTK reads without a codec and shows as the standard says."""
    compared = [path for path in real_images() if not path.name.startswith(tuple(_OTHERWISE))]
    return [
        path for path in compared if not pydicom.dcmread(path, force=True).file_meta.TransferSyntaxUID.is_compressed
    ]


def by_dcm2pnm(path: Path, header: Dataset, target: Path) -> Array:
    """Return the first frame of a file as dcm2pnm writes it, with the window that we use."""
    window: list[str | int] = []
    if "VOILUTSequence" in header:
        window = ["+Wl", 1]
    elif header.get("WindowCenter"):
        window = ["+Wi", 1]
    elif header.BitsStored > 8:
        window = ["+Wm"]
    colour = not header.PhotometricInterpretation.startswith("MONOCHROME")
    told = run("dcm2pnm", "+on", *([] if colour else window), path, target)
    assert target.is_file(), told.stdout
    return np.asarray(Image.open(target))


@pytest.mark.parametrize("path", native_images(), ids=lambda path: path.name)
def test_real_images_look_as_by_dcm2pnm(path: Path, tmp_path: Path) -> None:
    header, frame, photometric = decoded(path)
    ours = render_frame(header, frame, photometric, 1, RenderOptions())
    theirs = by_dcm2pnm(path, header, tmp_path / "picture.png")
    if ours.ndim > theirs.ndim:  # it writes a palette that has only greys as grey
        theirs = np.repeat(theirs[..., np.newaxis], 3, axis=-1)
    assert np.abs(ours.astype(int) - theirs).max() <= (2 if photometric.startswith("YBR") else 1)


def window(center: float, width: float) -> Callable[[Dataset], None]:
    """Return what puts a window into a state."""

    def put(state: Dataset) -> None:
        images = state.ReferencedSeriesSequence[0].ReferencedImageSequence
        state.SoftcopyVOILUTSequence = [item(ReferencedImageSequence=images, WindowCenter=center, WindowWidth=width)]

    return put


def turned(degrees: int, flip: str) -> Callable[[Dataset], None]:
    """Return what turns the image of a state."""

    def put(state: Dataset) -> None:
        window(40, 400)(state)
        state.ImageRotation, state.ImageHorizontalFlip = degrees, flip

    return put


def inverted(state: Dataset) -> None:
    """Make black white."""
    window(40, 400)(state)
    state.PresentationLUTShape = "INVERSE"


def looked_up(state: Dataset) -> None:
    """Put in a VOI LUT and a presentation LUT."""
    images = state.ReferencedSeriesSequence[0].ReferencedImageSequence
    table = item(
        LUTDescriptor=[1024, 0, 12], LUTData=words(*[min(4095, value * value // 200) for value in range(1024)])
    )
    state.SoftcopyVOILUTSequence = [item(ReferencedImageSequence=images, VOILUTSequence=[table])]
    del state.PresentationLUTShape
    curve = words(*[round((value / 4095) ** 0.5 * 65535) for value in range(4096)])
    state.PresentationLUTSequence = [item(LUTDescriptor=[4096, 0, 16], LUTData=curve)]


def without_rescale(state: Dataset) -> None:
    """Leave the modality LUT out, which the image has."""
    window(1000, 500)(state)
    del state.RescaleSlope, state.RescaleIntercept, state.RescaleType


@pytest.mark.parametrize("change", [
    window(40, 400), window(-600, 1500.5), turned(90, "N"), turned(180, "Y"), turned(270, "Y"), turned(0, "Y"),
    inverted, looked_up, without_rescale,
])  # fmt: skip
def test_presentation_states_look_as_by_dcmp2pgm(change: Callable[[Dataset], None], tmp_path: Path) -> None:
    image, made, picture = real_file("CT_small.dcm"), tmp_path / "state.dcm", tmp_path / "picture.pgm"
    assert run("dcmpsmk", image, made).returncode == 0
    state = pydicom.dcmread(made)
    change(state)
    state.save_as(made)
    told = run("dcmp2pgm", "-p", made, image, picture)
    assert picture.is_file(), told.stdout
    header, frame, photometric = decoded(image)
    options = RenderOptions(presentation=encode_dataset(Dataset(state), EXPLICIT), presentation_syntax=EXPLICIT)
    ours = render_frame(header, frame, photometric, 1, options)
    assert np.abs(ours.astype(int) - np.asarray(Image.open(picture))).max() <= 1
