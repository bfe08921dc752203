"""Plainly invented studies, so that a new archive is not empty: CT with segmentation and report, MR, CR and US.

Nothing here was ever a patient: bodies are made of ellipsoids, tubes and noise from fixed seeds.
"""

from collections.abc import Iterator
from typing import Final

from archimage.dicom.demo import cr, ct, mr, seg, sr, us
from archimage.dicom.demo.datasets import Study, demo_uid

__all__ = ["SLICES", "demo_files", "demo_uid", "number_of_files"]

SLICES: Final = 72
_OTHERS_OF_CT: Final = 2  # segmentation and report


def demo_files(slices: int = SLICES) -> Iterator[bytes]:
    """Yield Part 10 files: a CT of slices pictures, its segmentation and report, an MR, two CR, a loop of US.

    About 53 MB with the default. The same are made every time.
    """
    study = Study("Demo^CT", "DEMO-CT", "19600101", "O", "20240102", "Demo CT chest and abdomen", slices)
    stack = ct.stack_of(study)
    yield from ct.ct_files(stack)
    yield seg.seg_file(stack)
    yield sr.sr_file(stack)
    yield from mr.mr_files(Study("Demo^MR", "DEMO-MR", "19700202", "F", "20240203", "Demo MR head", slices))
    yield from cr.cr_files(Study("Demo^CR", "DEMO-CR", "19800303", "M", "20240304", "Demo CR chest", slices))
    yield us.us_file(Study("Demo^US", "DEMO-US", "19900404", "F", "20240405", "Demo US heart", slices))


def number_of_files(slices: int = SLICES) -> int:
    """Count what `demo_files` yields."""
    return slices + _OTHERS_OF_CT + mr.SERIES * mr.slices_of(slices) + cr.PICTURES + 1
