"""The large encapsulated object: a multi-frame of noise in JPEG-LS, with a basic offset table, made once and reused."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from bench import data
from bench.data import Shape

EDGE = 820  # pixels: 12 bits of noise each make frames of 1 MB


@dataclass(frozen=True, slots=True)
class Encapsulated:
    """A Part 10 file; instance is its path below the root of DICOMweb, frame_bytes about the least size of a frame."""

    path: Path
    instance: str
    frames: int
    frame_bytes: int

    @property
    def megabytes(self) -> float:
        """Size of the file."""
        return self.path.stat().st_size / 1e6


def prepare(root: Path, frames: int) -> Encapsulated:
    """Return the object, made when it is not there yet."""
    shape = Shape(f"jpeg-ls-{frames}", 1, EDGE, frames, studies=1)
    folder = root / shape.name
    path, listing = folder / "object.dcm", folder / "object.json"
    if not listing.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, shape)
        listing.write_text(json.dumps({"frame_bytes": path.stat().st_size // frames * 9 // 10}))
    objects = data.Objects(shape, folder, ())
    return Encapsulated(path, objects.instance(0), frames, json.loads(listing.read_text())["frame_bytes"])


def _write(path: Path, shape: Shape) -> None:
    dataset = data.describe(shape, 0, 0)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    noise = np.random.default_rng(1).integers(0, 4096, (shape.edge, shape.edge), dtype=np.uint16)
    frames = np.broadcast_to(noise, (shape.frames, *noise.shape))
    dataset.compress(
        JPEGLSLossless, np.ascontiguousarray(frames), encoding_plugin="pyjpegls", generate_instance_uid=False
    )
    dataset.save_as(path, enforce_file_format=True)
