"""Real images under other UIDs, whole or with pixels that are none."""

from collections.abc import Collection
from io import BytesIO

import pydicom
from pydicom.encaps import encapsulate, generate_frames

from tests.dicom.files import real_file

CINE = "examples_ybr_color.dcm"
JPEG = "SC_rgb_jpeg_gdcm.dcm"
NO_JPEG = b"\xff\xd8\xff\xe0 no jpeg "


def copied(
    name: str, uids: tuple[str, str, str], *, number: int = 1, broken: Collection[int] = (), **attributes: object
) -> bytes:
    """Make a file of a real one under the UIDs of a study, series and instance, with other attributes too.

    Frames whose numbers are in broken are no pictures.
    """
    found = pydicom.dcmread(real_file(name))
    found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID = uids
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.InstanceNumber = number
    for keyword, value in attributes.items():
        setattr(found, keyword, value)
    if broken:
        count = int(found.get("NumberOfFrames", 1) or 1)
        frames = list(generate_frames(found.PixelData, number_of_frames=count))
        found.PixelData = encapsulate([NO_JPEG if at in broken else one for at, one in enumerate(frames, 1)])
    out = BytesIO()
    found.save_as(out)
    return out.getvalue()
