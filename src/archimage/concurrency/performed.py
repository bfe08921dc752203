"""What performed procedure steps, and telling that instances are here, may cost."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.net.scp import mpps as scp
from archimage.services import availability, mpps_rules

PERFORMED: Final = (
    Entry(
        "availability",
        "threads",
        "looks every few seconds for steps and studies of which nodes are to hear",
        "Nodes hear later.",
        lambda config: int(bool(config.availability.notify)),
        "availability.notify",
    ),
    Entry(
        "performed procedure step",
        "limit",
        "length of what N-CREATE or N-SET tells of one",
        "The request is answered 0xA700, and nothing is changed.",
        scp.MAX_DATASET_BYTES,
        unit="bytes",
    ),
    Entry(
        "instances of a performed procedure step",
        "limit",
        "instances that a step may say it has made",
        "The request is answered 0x0213, and nothing is changed.",
        mpps_rules.MAX_REFERENCES,
    ),
    Entry(
        "instances that a node hears of",
        "limit",
        "instances of a study that one notification names",
        "Further ones are not named; they are found by asking.",
        availability.MAX_INSTANCES,
        harmless=True,
    ),
)
