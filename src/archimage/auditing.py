"""The audit trail of a process, wired: its journal, the thread that writes it, and the way to a repository."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Final

from archimage.config import Config
from archimage.errors import ConfigError, StorageError
from archimage.logger import logger
from archimage.model import audit
from archimage.model.audit import AuditEvent, Result
from archimage.model.callers import Caller
from archimage.observe.audit import xml
from archimage.observe.audit.forward import Forwarder, Repository
from archimage.observe.audit.journal import Journal
from archimage.observe.audit.keys import take_key
from archimage.observe.audit.search import newest
from archimage.observe.audit.trail import Messages as Encoding
from archimage.observe.audit.trail import Trail
from archimage.services.audit import AuditService
from archimage.services.audit_identity import IdentityAudit
from archimage.services.audit_jobs import JobAudit
from archimage.services.audit_keeping import KeepingAudit
from archimage.services.audit_messages import Messages, person
from archimage.services.audit_subjects import Finds
from archimage.services.health import HealthService
from archimage.storage.lanes import MAX_LANES, Turn

JOURNALS: Final = "audit"
"""Directory of the journals, each in a directory of its own, and of the key."""
HEADS: Final = "audit-heads"
"""Directory of the last head of each."""
_log = logger("security")

MakeContext = Callable[[], ssl.SSLContext]


class Auditing:
    """The parts of the audit trail. context makes what the connection to the repository is secured with. `close` it."""

    def __init__(self, config: Config, index: Finds, context: MakeContext = ssl.create_default_context) -> None:
        directory = config.storage.directory / JOURNALS
        messages = Messages(config.dicom.ae_title, str(os.getpid()), _host(config))
        self._forwarder: Forwarder | None = None
        self._required = config.audit.required
        with ExitStack() as opened:
            journal = opened.enter_context(_journal(config))
            encoding = Encoding(
                partial(xml.encode, source_id=config.dicom.ae_title, site=config.audit.site),
                partial(_lost, messages),
                partial(_failed, messages),
            )
            self.trail = Trail(journal, encoding, required=config.audit.required)
            opened.callback(self.trail.close)
            self.service = AuditService(self.trail, messages, index, partial(newest, directory))
            self.trail.settle = self.service.settle
            self.identity = IdentityAudit(self.trail, messages)
            self.keeping = KeepingAudit(self.trail, messages, index)
            self.jobs = JobAudit(self.trail, messages, index, self._accessed)
            opened.callback(self.service.close)
            _tell_damage(self.trail, messages, journal)
            if config.audit.repository:
                self._forwarder = Forwarder(
                    directory,
                    _repository(config.audit.repository, context),
                    partial(Turn.take, directory / "forward.lock"),
                )
                opened.callback(self._forwarder.close)
                self.trail.written = self._forwarder.wake
            self._held = opened.pop_all()

    def _accessed(self, study: str) -> None:
        """Tell whoever hears of it by then."""
        self.service.accessed(study)

    @property
    def unsent_s(self) -> float:
        """How old the oldest message is that the repository does not have, seconds."""
        return 0.0 if self._forwarder is None else self._forwarder.unsent_s

    def health(self, health: HealthService) -> None:
        """Have the trail looked at with the other parts; only where it is required nothing is received without it."""
        health.add("audit", self.trail.health, needed=self._required)

    def close(self) -> None:
        """Tell what is gathered, write what waits, and end."""
        self._held.close()


@contextmanager
def _journal(config: Config) -> Iterator[Journal]:
    """Open the first journal that no other process writes; the kernel lets go of it when this one ends."""
    root, heads = config.storage.directory / JOURNALS, config.storage.directory / HEADS
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = take_key(root)
    durable = config.storage.durability == "full"
    for number in range(MAX_LANES):
        directory = root / str(number)
        directory.mkdir(exist_ok=True)
        turn = Turn.take(directory / "lock")
        if turn is not None:
            with closing(turn):
                kept = heads / f"{number}.head"
                yield Journal(directory, kept, key, file_bytes=config.audit.file_bytes, durable=durable)
            return
    raise ConfigError(f"{MAX_LANES} processes already write audit journals in {root}")


def _repository(address: str, context: MakeContext) -> Repository:
    host, _, port = address.rpartition(":")
    return Repository(host.strip("[]"), int(port), context)


def _tell_damage(trail: Trail, messages: Messages, journal: Journal) -> None:
    """Tell what was found wrong when the journal was opened."""
    here = messages.here(requestor=True)
    told: list[AuditEvent] = []
    if journal.expected or journal.damaged:
        what = "the audit journal was changed or cut while no process wrote it"
        _log.error(what, expected=journal.expected)
        told.append(messages.alert(audit.RECORDING_STOPPED, here, what, result=Result.MAJOR_FAILURE))
    elif journal.torn_bytes:
        what = f"the audit journal was not ended in order: {journal.torn_bytes} bytes of a record are left"
        _log.warning(what)
        told.append(messages.alert(audit.RECORDING_STOPPED, here, what, result=Result.MINOR_FAILURE))
    if told:
        trail.record(lambda: told, at_once=False)


def _lost(messages: Messages, count: int) -> AuditEvent:
    here = messages.here(requestor=True)
    what = f"{count} audit messages were lost: the journal could not be written"
    return messages.alert(audit.RECORDING_STOPPED, here, what, result=Result.SERIOUS_FAILURE)


def _failed(messages: Messages, reason: str) -> AuditEvent:
    here = messages.here(requestor=True)
    what = f"an audit message could not be made: {reason}"
    return messages.alert(audit.RECORDING_STOPPED, here, what, result=Result.SERIOUS_FAILURE)


def tell_used(config: Config, caller: Caller, what: str, wanted: str) -> None:
    """Tell, without opening the archive, that somebody has looked into the trail by a command.

    Raises:
        ArchimageError: it cannot be told; then he must not see it.
    """
    messages = Messages(config.dicom.ae_title, str(os.getpid()), _host(config))
    event = messages.used(person(caller), f"archimage audit {what}", wanted)
    try:
        with _journal(config) as journal:
            journal.write([xml.encode(event, config.dicom.ae_title, config.audit.site)])
            journal.close()
    except OSError as error:
        raise StorageError(f"the audit trail cannot be written: {error}") from error


def _host(config: Config) -> str:
    """Return what messages call the host that they are from."""
    return config.node.name or socket.gethostname()
