"""`archimage print` as a process, and files for it to print."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from archimage.model.ids import new_uid
from archimage.net.conversation import RemoteNode
from tests.printing.films import Pixels, image


def noise(number: int, *shape: int) -> Pixels:
    """Return noise that reaches from black to white, so that no window changes it."""
    pixels = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
    pixels.reshape(-1)[:2] = 0, 255
    return pixels


def write(directory: Path, *images: Pixels) -> list[Path]:
    """Write images as DICOM files."""
    paths = []
    for number, pixels in enumerate(images):
        ds: Dataset = image(pixels)
        ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, new_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.PatientID = new_uid(), new_uid(), "DEMO-1"
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds["PixelData"].VR = "OB"
        paths.append(directory / f"{number}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


def command(node: RemoteNode, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Print on a node."""
    words = [sys.executable, "-m", "archimage", "print", node.host, str(node.port), "-aec", node.ae_title]
    return subprocess.run([*words, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
