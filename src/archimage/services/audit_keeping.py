"""What the audit trail is told of the keeping of objects: that they were copied as a whole, damaged, and mended."""

from collections.abc import Iterable
from dataclasses import replace

from archimage.model import callers
from archimage.model.attributes import Level
from archimage.model.audit import Action, AuditEvent
from archimage.ports.audit import AuditSink
from archimage.services.audit_messages import Instances, Messages, person
from archimage.services.audit_subjects import Finds, studies_of, subject_of


class KeepingAudit:
    """Tells a sink of it."""

    def __init__(self, sink: AuditSink, messages: Messages, index: Finds) -> None:
        self._sink = sink
        self._messages = messages
        self._index = index

    def backed_up(self, place: str, objects: int) -> None:
        """Tell that somebody has a backup made."""
        what = f"a backup of {objects} objects and of all else that the archive keeps"
        event = self._messages.copied(person(callers.current()), place, what)
        self._sink.record(lambda: [event], at_once=False)

    def damaged(self, sop_instance_uid: str, fault: str) -> None:
        """Tell that the file of an instance is not what was stored."""
        self._told(sop_instance_uid, f"the stored object is damaged: {fault}", Action.READ)

    def mended(self, sop_instance_uid: str, fault: str) -> None:
        """Tell that it was replaced by a second copy that is."""
        self._told(sop_instance_uid, f"the stored object was damaged ({fault}) and is mended of a copy", Action.UPDATE)

    def _told(self, uid: str, what: str, action: Action) -> None:
        who = self._messages.here(requestor=True) if callers.current() is None else person(callers.current())

        def make() -> Iterable[AuditEvent]:
            for study in studies_of(self._index, {Level.IMAGE: (uid,)}):
                subject = subject_of(self._index, study)
                lost = action is Action.READ
                found = Instances(subject, {}, 1, (uid,), what) if lost else Instances(subject, {"": 1})
                yield replace(self._messages.accessed(who, found, action), description=what)

        self._sink.record(make, at_once=False)
