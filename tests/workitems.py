"""Work items as tests make them."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from archimage.index.deliveries import DeliveryTable
from archimage.index.sqlite import SqliteIndex
from archimage.index.ups import WorkitemTable
from archimage.services.datasets import Model, attribute, made
from archimage.services.deliveries import DeliveryService
from archimage.services.ups import UpsService
from archimage.services.ups_keeping import Procedures
from archimage.services.ups_subscriptions import SubscriptionService

STATION: Model = made(
    attribute(0x00080100, "READING1"), attribute(0x00080102, "99DEMO"), attribute(0x00080104, "Reading station 1")
)
KNOWN = frozenset({"WATCHER", "OTHER"})
"""AE titles of nodes."""


def new_item(patient_id: str = "DEMO-1", label: str = "Reading", **more: str) -> Model:
    """Return a work item that may be made."""
    return made(
        attribute(0x00100010, "Demo^CT"),
        attribute(0x00100020, patient_id),
        attribute(0x00741000, more.get("state", "SCHEDULED")),
        attribute(0x00741200, more.get("priority", "MEDIUM")),
        attribute(0x00741204, "Read the study"),
        attribute(0x00741202, label),
        attribute(0x00404005, more.get("start", "20300102080000")),
        attribute(0x00404041, more.get("ready", "READY")),
        attribute(0x00404025, STATION),
        *(
            attribute(tag)
            for tag in (
                *(0x00741210, 0x00404026, 0x00404027, 0x00404018, 0x00400400, 0x00404021, 0x00100021, 0x00100024),
                *(0x00101002, 0x00100030, 0x00100040, 0x00380010, 0x00380014, 0x00081080, 0x00081084, 0x0040A370),
                *(0x00741002, 0x00741216),
            )
        ),
    )


def performed() -> Model:
    """Return what a work item must tell before it is COMPLETED."""
    return made(
        attribute(
            0x00741216,
            made(
                attribute(0x00404028, STATION),
                attribute(0x00404050, "20300102080100"),
                attribute(0x00404019, STATION),
                attribute(0x00404051, "20300102081500"),
                attribute(0x00404033),
            ),
        )
    )


def discontinued() -> Model:
    """Return what a work item must tell before it is CANCELED."""
    code = made(attribute(0x00080100, "110513"), attribute(0x00080102, "DCM"), attribute(0x00080104, "Discontinued"))
    progress = made(
        attribute(0x00404052, "20300102081500"), attribute(0x0074100E, code), attribute(0x00741238, "Enough")
    )
    return made(attribute(0x00741002, progress))


@contextmanager
def procedures(
    directory: Path, *, most: int = 100, max_items: int = 100_000, now: float = 1_900_000_000
) -> Iterator[Procedures]:
    """Open the services over a real index; nothing is delivered."""
    with ExitStack() as opened:
        index = opened.enter_context(closing(SqliteIndex(directory / "index.db")))
        table = DeliveryTable(index)
        deliveries = opened.enter_context(closing(DeliveryService(table)))
        steps = opened.enter_context(
            closing(UpsService(WorkitemTable(index, table), deliveries, max_items, lambda: now))
        )
        yield Procedures(steps, SubscriptionService(steps, KNOWN.__contains__, most))
