"""The real files that pydicom and pydicom-data bring along, found without the network."""

from pathlib import Path

import pydicom

from archimage.dicom.part10 import FileMeta, decode_file_meta
from archimage.errors import InvalidFileError

_PYDICOM = Path(pydicom.__file__).parent
_ROOTS = (_PYDICOM / "data", _PYDICOM.parent / "data_store")

BROKEN = {
    "MR_truncated.dcm",
    "rtplan_truncated.dcm",
    "emri_small_jpeg_2k_lossless_too_short.dcm",
    "DICOMDIR-nooffset",
}
"""Files whose data set is cut short, or whose item lengths lie."""


def real_file(name: str) -> Path:
    """Return the file of a name, in any of the places."""
    return next(path for root in _ROOTS for path in sorted(root.rglob(name)))


def real_files() -> list[Path]:
    """Return every file that has a prefix and names its transfer syntax."""
    return [path for root in _ROOTS for path in sorted(root.rglob("*")) if path.is_file() and _is_part10(path)]


def _is_part10(path: Path) -> bool:
    try:
        decode_file_meta(path.read_bytes())
    except InvalidFileError:
        return False
    return True


def real_dataset(path: Path) -> tuple[FileMeta, bytes]:
    """Return a file's meta information and its data set as encoded."""
    data = path.read_bytes()
    meta, offset = decode_file_meta(data)
    return meta, data[offset:]
