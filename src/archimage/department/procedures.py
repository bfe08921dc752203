"""Unified procedure steps."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

from archimage.department.part import Ground, Part
from archimage.index.ups import WorkitemTable
from archimage.net import ups
from archimage.net.dispatch import ServiceClass
from archimage.net.scp import ups as scp
from archimage.services import ups_events
from archimage.services.ups import THREADS, UpsService
from archimage.services.ups_keeping import Keeping, Procedures, UpsKeeper
from archimage.services.ups_subscriptions import SubscriptionService
from archimage.threads import ContextThreads, Pool


class ProceduresPart(Part):
    """Work items, and who is told of them."""

    def __init__(self, ground: Ground) -> None:
        settings, nodes = ground.config.ups, ground.services.nodes
        steps = UpsService(
            WorkitemTable(ground.kept.index, ground.delivery_table), ground.deliveries, settings.max_items
        )
        ground.opened.callback(steps.close)
        ground.deliveries.register(ups_events.KIND, ups.delivery(ground.calls, nodes.get))
        subscriptions = SubscriptionService(
            steps, lambda title: nodes.known(title) is not None, settings.max_subscriptions
        )
        self.service = Procedures(steps, subscriptions)
        keeping = Keeping(settings.kept_days * 86_400, settings.events_kept_hours * 3_600, settings.max_events)
        self._keeper = UpsKeeper(self.service, keeping)
        ground.opened.callback(self._keeper.close)
        self._threads = ContextThreads(THREADS, "workitems")
        ground.opened.callback(self._threads.shutdown, cancel_futures=True)

    @property
    def pools(self) -> Mapping[str, Pool]:
        """The threads, by name."""
        return {"workitems": self._threads}

    def dicom(self, executor: Executor) -> Sequence[ServiceClass]:  # noqa: ARG002
        """Return the SCPs of UPS push, pull, watch and query, with threads of their own."""
        return (scp.service(self.service, self._threads),)

    def start(self) -> None:
        """Begin to forget what is over."""
        self._keeper.start()
