"""Performed procedure steps as modalities tell them."""

from collections.abc import Sequence
from typing import Any

from archimage.services.datasets import Model, attribute, made

MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
STUDY = "1.2.3.4"
SERIES = "1.2.3.4.1"


def step(study: str = STUDY, **more: Any) -> Model:
    """Return what N-CREATE tells; more are values by `T` and the tag, as `T00080060="MR"`."""
    scheduled = made(
        attribute(0x0020000D, study),
        attribute(0x00081110),
        attribute(0x00080050, "A-1"),
        attribute(0x00401001, "RP-1"),
        attribute(0x00321060, "Head"),
        attribute(0x00400009, "SPS-1"),
        attribute(0x00400007, "Head, plain"),
        attribute(0x00400008),
    )
    model = made(
        attribute(0x00400270, scheduled),
        attribute(0x00100010, "Demo^MR"),
        attribute(0x00100020, "D-1"),
        attribute(0x00100030, "19700131"),
        attribute(0x00100040, "F"),
        attribute(0x00081120),
        attribute(0x00400253, "PPS-1"),
        attribute(0x00400241, "MR1"),
        attribute(0x00400242, "Scanner"),
        attribute(0x00400243, ""),
        attribute(0x00400244, "20261129"),
        attribute(0x00400245, "101500"),
        attribute(0x00400252, "IN PROGRESS"),
        attribute(0x00400254, ""),
        attribute(0x00400255, ""),
        attribute(0x00081032),
        attribute(0x00400250, ""),
        attribute(0x00400251, ""),
        attribute(0x00080060, "MR"),
        attribute(0x00200010, "1"),
        attribute(0x00400260),
        attribute(0x00400340),
    )
    return model | _more(more)


def ended(instances: Sequence[str] = (), state: str = "COMPLETED", series: str = SERIES, **more: Any) -> Model:
    """Return what the last N-SET tells, with instances in one series."""
    referenced = [made(attribute(0x00081150, MR_STORAGE), attribute(0x00081155, uid)) for uid in instances]
    performed = made(
        attribute(0x0020000E, series),
        attribute(0x00081050, "Demo^Physician"),
        attribute(0x00181030, "T1"),
        attribute(0x00081070, "Demo^Operator"),
        attribute(0x0008103E, "T1 axial"),
        attribute(0x00080054, ""),
        attribute(0x00081140, *referenced),
        attribute(0x00400220),
    )
    model = made(
        attribute(0x00400252, state),
        attribute(0x00400250, "20261129"),
        attribute(0x00400251, "103000"),
        attribute(0x00400340, performed),
    )
    return model | _more(more)


def without(model: Model, *tags: int) -> Model:
    """Return a data set that lacks some attributes."""
    gone = {f"{tag:08X}" for tag in tags}
    return {name: value for name, value in model.items() if name not in gone}


def _more(values: dict[str, Any]) -> Model:
    return made(*(attribute(int(name[1:], 16), value) for name, value in values.items()))
