"""HL7, wired: messages that come, the services that they go to, and what is handed on."""

import time
from dataclasses import dataclass
from typing import Final

from archimage.config_hl7 import Hl7Config
from archimage.errors import UnavailableError
from archimage.hl7 import client
from archimage.hl7.handling import FORWARD, LATER, Handler, Rules, Targets
from archimage.hl7.orders import Order, Task
from archimage.hl7.scheduling import Scheduling
from archimage.hl7.server import Access, Gate, Hl7Server
from archimage.index.changes import ChangeTable
from archimage.index.grouped import GroupedDatabase
from archimage.index.messages import MessageTable
from archimage.index.reports import PatientLinkTable, ReportTable
from archimage.model.audit import Action
from archimage.model.deliveries import Delivery
from archimage.model.messages import MessageState
from archimage.services.audit import AuditService
from archimage.services.audit_messages import Subject
from archimage.services.changes import ChangeService
from archimage.services.datasets import text
from archimage.services.deliveries import DeliveryService, Patience
from archimage.services.inbox import Inbox
from archimage.services.patients import PatientService
from archimage.services.reports import ReportService
from archimage.services.worklist import WorklistService
from archimage.web.management import MessagingServices

_SOON: Final = Patience(first_s=0.1, most_s=5.0)


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of what messages do: the audit trail and other systems, called with the context of TLS."""

    audit: AuditService
    deliveries: DeliveryService
    tls: client.TlsContext


class Messaging:
    """The parts; `start` it once the ports are open, and `close` it."""

    def __init__(
        self, settings: Hl7Config, index: GroupedDatabase, changes: ChangeService, worklist: WorklistService, told: Told
    ) -> None:
        self._settings = settings
        self._told = told
        self.reports = ReportService(ReportTable(index))
        self.patients = PatientService(changes, ChangeTable(index), PatientLinkTable(index), settings.issuer)
        rules = Rules(settings.character_set, settings.forward, frozenset(settings.forward_kinds))
        targets = Targets(self.patients, Scheduling(worklist), self.reports, told.deliveries)
        self.patients.told = told.audit.linked
        self._handler = Handler(rules, targets)
        self._handler.ordered = self._ordered
        self.inbox = Inbox(MessageTable(index), index, self._handler.apply, keep_days=settings.keep_days)
        told.deliveries.register(LATER, self._apply_later, _SOON)
        told.deliveries.register(FORWARD, self._forward)

    @property
    def services(self) -> MessagingServices:
        """The use cases, as the web side needs them."""
        return MessagingServices(self.inbox, self.reports, self.patients)

    def listener(self, access: Access) -> Hl7Server:
        """Return the listener, which does not listen yet."""
        return Hl7Server(self._settings, self.inbox, Gate(access, self._told.audit.denied, time.time))

    def start(self) -> None:
        """Begin with what was left from before."""
        self.inbox.start()

    def close(self) -> None:
        """End."""
        self.inbox.close()

    def _ordered(self, order: Order, done: str) -> None:
        """Tell the audit trail of an order."""
        patient_id, name, accession = (text(order.model, tag) for tag in (0x00100020, 0x00100010, 0x00080050))
        action = Action.DELETE if order.task is Task.DISCONTINUE else Action.UPDATE
        what = f"order {accession}: {done}" if accession else done
        self._told.audit.ordered(Subject("", patient_id, name, accession), action, what)

    def _apply_later(self, one: Delivery) -> None:
        """Apply a message whose turn it is; UnavailableError where it is still another's."""
        number = int(one.about)
        found = self.inbox.get(number)
        if found.state is MessageState.WAITING:
            found = self.inbox.apply_kept(number, MessageState.WAITING)
        if found.state in {MessageState.WAITING, MessageState.RECEIVED}:
            raise UnavailableError("another change is at work")

    def _forward(self, one: Delivery) -> None:
        """Hand a message on as it came."""
        tls = self._told.tls if self._settings.forward_tls else None
        client.send(client.Receiver.of(one.destination, tls), self.inbox.get(int(one.about)).raw)
