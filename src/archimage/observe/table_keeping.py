"""The metrics of what is kept: objects that are read again, and those that go to an object store."""

from typing import Final

from archimage.observe.metric import Metric, single
from archimage.ports.meter import ScrubOutcome

KEEPING: Final[tuple[Metric, ...]] = (
    Metric(
        "pacs_scrubbed_objects_total",
        "counter",
        "Storage",
        "Objects read again",
        "Stored objects that scrubbing has read again, by how they were: `sound` or `damaged`; and those of the latter "
        "that were `mended` of a second copy.",
        ("outcome",),
        most=4,
        initial=single(ScrubOutcome),
    ),
    Metric(
        "pacs_scrubbed_bytes_total",
        "counter",
        "Storage",
        "Bytes read again",
        "Size of the stored objects that scrubbing has read again.",
        unit="bytes",
    ),
    Metric(
        "pacs_damaged_objects",
        "gauge",
        "Storage",
        "Damaged objects",
        "Stored objects that are known to be damaged or missing, and are not mended.",
        shared=True,
    ),
    Metric(
        "pacs_tier_studies",
        "gauge",
        "Storage",
        "Studies in tiers",
        "Studies of which something lies in a tier, as the last run of the rules has counted them.",
        ("tier",),
        most=21,
        shared=True,
    ),
    Metric(
        "pacs_tier_bytes",
        "gauge",
        "Storage",
        "Bytes in tiers",
        "Size of what lies in a tier, as the last run of the rules has counted it.",
        ("tier",),
        "bytes",
        most=21,
        shared=True,
    ),
    Metric(
        "pacs_object_store_waiting",
        "gauge",
        "Storage",
        "Objects to upload",
        "Objects that are acknowledged, and that the object store does not have yet; 10,000 are counted at most.",
        (),
        "objects",
        shared=True,
    ),
    Metric(
        "pacs_object_store_waiting_bytes",
        "gauge",
        "Storage",
        "Bytes to upload",
        "Size of the objects that the object store does not have yet.",
        (),
        "bytes",
        shared=True,
    ),
    Metric(
        "pacs_object_store_oldest_seconds",
        "gauge",
        "Storage",
        "Oldest object to upload",
        "How long the oldest object waits that the object store does not have yet.",
        (),
        "seconds",
        shared=True,
    ),
)
