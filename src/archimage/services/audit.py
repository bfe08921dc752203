"""The audit trail as the doors of the archive tell it: what happened becomes messages, gathered by study.

Everything here returns at once, from any thread; what has to be looked up is looked up when the message is made.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from typing import Final

from archimage.errors import StorageError
from archimage.model import audit, callers
from archimage.model.access import Principal
from archimage.model.attributes import Level
from archimage.model.audit import Action, AuditEvent, Participant, Result
from archimage.model.audit_search import AuditEntry, AuditSearch
from archimage.model.callers import Caller
from archimage.model.changes import Change, ChangeState
from archimage.model.events import (
    AssociationClosed,
    AssociationOpened,
    AssociationRefused,
    Event,
    InstanceRefused,
    InstanceRemoved,
    InstanceStored,
    LabelsChanged,
    NodeChanged,
    SeriesRemoved,
    StudyRemoved,
)
from archimage.model.hashed import Named
from archimage.model.messages import PatientIdentifier
from archimage.model.mpps import PerformedStep
from archimage.model.printing import PrintJob
from archimage.ports.audit import AuditSink
from archimage.services.audit_gathering import Gathered, Gathering, Key, Kind, Step
from archimage.services.audit_messages import MAX_NAMED, Instances, Messages, Peer, Subject, node_object, peer, person
from archimage.services.audit_subjects import Finds, count_of, studies_of, subject_of
from archimage.services.datasets import text
from archimage.services.deidentified import Exported
from archimage.services.mpps import keys_of
from archimage.services.tiering import Moved

UniqueKeys = Mapping[Level, tuple[str, ...]]
REMEMBERED: Final = 1_000
"""Associations whose addresses are known, open ones and those that ended last."""


Search = Callable[[AuditSearch, int, int], tuple[Sequence[AuditEntry], int]]
"""Returns so many of the messages that are looked for, the newest first, from an offset on; and how many there are."""


class AuditService:
    """Tells a sink what happened."""

    def __init__(self, sink: AuditSink, messages: Messages, index: Finds, search: Search) -> None:
        self.messages = messages
        self.search = search
        """Finds messages; blocks."""
        self._sink = sink
        self._index = index
        self._gathering = Gathering(self._begun, self._ended, most_named=MAX_NAMED)
        self._peers: OrderedDict[str, Peer] = OrderedDict()
        self._started = False
        self.deidentifies: Callable[[str], bool] = lambda _: False
        """Tells whether what goes to an AE title is de-identified; blocks."""
        self.accessed: Callable[[str], None] = lambda _: None
        """Hears of every study of which somebody is given something."""

    def hear(self, event: Event) -> None:
        """Take note of an event of the archive."""
        match event:
            case InstanceStored():
                self._stored(event)
            case InstanceRefused():
                self._refused(event)
            case AssociationOpened():
                self._peers[event.association_id] = Peer(event.calling_ae_title, event.address, event.user)
                while len(self._peers) > REMEMBERED:
                    self._peers.popitem(last=False)
            case AssociationClosed():
                self._gathering.end(event.association_id)
            case AssociationRefused():
                self._rejected(event)
            case NodeChanged():
                self._node_changed(event)
            case StudyRemoved() | SeriesRemoved() | InstanceRemoved():
                self._removed(event)
            case LabelsChanged():
                self._labelled(event)

    # The archive itself

    def started(self) -> None:
        """Tell that the archive was started."""
        self._started = True
        self._tell(self.messages.activity(started=True))

    def close(self) -> None:
        """Tell everything that is gathered, and that the archive was stopped, if it was started."""
        self._gathering.close()
        if self._started:
            self._tell(self.messages.activity(started=False))

    def listening(self, *, attached: bool) -> None:
        """Tell that it began or ended to listen."""
        self._tell(self.messages.network(attached=attached))

    def settle(self) -> None:
        """Tell what is gathered, and due."""
        self._gathering.settle()

    def configured(self, description: str, *, result: Result = Result.SUCCESS) -> None:
        """Tell that the settings were read again."""
        here = self.messages.here(requestor=True)
        self._tell(self.messages.alert(audit.SECURITY_CONFIGURATION, here, description, result=result))

    def policy_changed(self, description: str, good: bool) -> None:
        """Tell that the access policy is another one, or that one was not taken; by whom, if that is known."""
        who = person(callers.current()) if callers.current() else self.messages.here(requestor=True)
        result = Result.SUCCESS if good else Result.MINOR_FAILURE
        self._tell(self.messages.alert(audit.SECURITY_CONFIGURATION, who, description, result=result))

    # Associations

    def handshake_failed(self, address: str, reason: str) -> None:
        """Tell that the handshake of TLS with an address failed."""
        who = peer(Peer("", address), requestor=True)
        reason = f"TLS handshake failed: {reason}"
        self._tell(self.messages.alert(audit.NODE_AUTHENTICATION, who, reason, result=Result.SERIOUS_FAILURE))

    def queried(self, asking: Peer, sop_class_uid: str, identifier: bytes, syntax: str, failure: str) -> None:
        """Tell that a peer has searched; failure is empty where it got an answer."""
        asked = self.messages.asked(sop_class_uid, identifier, syntax)
        self._sink.record(lambda: [self.messages.queried(peer(asking, requestor=True), asked, failure)], at_once=False)

    def sending(self, receiver: Participant, uids: UniqueKeys) -> None:
        """Tell that what unique keys name begins to be sent to somebody."""
        here = self.messages.here()

        def told() -> Iterable[AuditEvent]:
            for study in studies_of(self._index, uids):
                self.accessed(study)
                yield self.messages.begin(here, receiver, subject_of(self._index, study))

        self._sink.record(told)

    def sent(
        self,
        receiver: Participant,
        asking: Participant,
        uids: UniqueKeys,
        failed: Sequence[str],
        failure: str,
        *,
        anonymized: bool = False,
    ) -> None:
        """Tell that it was sent, as somebody asked, who may be the receiver.

        failure says why not all of it was, failed are those instances, if they are known. anonymized tells that it was
        de-identified, which it is also for some receivers.
        """
        here, also = self.messages.here(), () if asking == receiver else (asking,)

        def told() -> Iterable[AuditEvent]:
            is_anonymized = anonymized or self._is_anonymized(receiver)
            for study, instances in studies_of(self._index, uids).items() or [("", [])]:
                subject = subject_of(self._index, study) if study else Subject("")
                for found in _parts(subject, instances, set(failed), failure):
                    given = replace(found, anonymized=is_anonymized)
                    yield self.messages.transferred(here, receiver, given, stored=False, also=also)

        self._sink.record(told)

    def _is_anonymized(self, receiver: Participant) -> bool | None:
        """Tell whether what goes to somebody is de-identified; None where it is not, or nobody knows."""
        with suppress(StorageError):
            return self.deidentifies(receiver.user_id) or None
        return None

    # The web

    def looked(self, kind: Kind, caller: Caller, uids: tuple[str, str, str], reason: str = "") -> None:
        """Tell that somebody got, or was to get, a study, a series or an instance over the web; by their UIDs.

        The study of an instance need not be known.
        """
        study, series, instance = uids
        if study or not instance:
            self._look(kind, caller, uids, reason)
            return

        def told() -> Iterable[AuditEvent]:
            for found in studies_of(self._index, {Level.IMAGE: (instance,)}) or [""]:
                self._look(kind, caller, (found, series, instance), reason)
            return ()

        self._sink.record(told)

    def opened(self, caller: Caller, uri: str, failure: str, named: Named | None = None) -> None:
        """Tell that somebody got, or was to get, what stands at an address that names it in its own way.

        named is what that is, where it is known.
        """

        def told() -> Iterable[AuditEvent]:
            subject = None
            if named is not None:
                patient_id, *below = named.names
                self._accessed(below[0] if below and not failure else "")
                subject = subject_of(self._index, below[0]) if below else Subject("", patient_id)
            return [self.messages.opened(person(caller), uri, failure, subject)]

        self._sink.record(told)

    def searched(self, caller: Caller, address: str, query: bytes, failure: str) -> None:
        """Tell that somebody has searched over the web."""
        asked = self.messages.asked(address, query, "URI")
        self._sink.record(lambda: [self.messages.queried(person(caller), asked, failure)], at_once=False)

    def denied(self, caller: Caller, description: str) -> None:
        """Tell that somebody was not let in, or not let do what he asked for."""
        alert = self.messages.alert(
            audit.USE_OF_RESTRICTED_FUNCTION, person(caller), description, result=Result.SERIOUS_FAILURE
        )
        self._tell(alert)

    def over(self, caller: Caller) -> None:
        """Tell what a request has brought: it is over."""
        self._gathering.end(caller.request)

    def used(self, caller: Caller, uri: str, what: str) -> None:
        """Tell that somebody has looked into the audit trail."""
        self._tell(self.messages.used(person(caller), uri, what))

    def deidentified(self, exported: Exported) -> None:
        """Tell that objects of a study were given away, or copied, without their identifiers."""
        who, failed = person(callers.current()), exported.failed_uids

        def told() -> Iterable[AuditEvent]:
            subject = subject_of(self._index, exported.study_instance_uid)
            if exported.sop_classes:
                self.accessed(exported.study_instance_uid)
                yield self.messages.exported(who, Instances(subject, exported.sop_classes, anonymized=True))
            if failed:
                reason = f"refused for project {exported.project}: {len(failed)} could not be made safe"
                yield self.messages.exported(who, Instances(subject, {}, len(failed), failed, reason))

        self._sink.record(told)

    def changed(self, change: Change) -> None:
        """Tell that somebody has what is kept of a patient changed."""
        subject, who = Subject("", change.patient.patient_id), person(callers.current())
        self._tell(self.messages.patient_record(who, [subject], f"{change.kind.value}: {change.reason}"))

    def change_ended(self, change: Change) -> None:
        """Tell how it ended."""
        who = person(Caller("web", "", Principal(address=change.asker.address)))
        subject = Subject("", change.patient.patient_id)
        told = f"{change.kind.value} ended, {change.state.value}: {change.error or change.reason}"
        event = self.messages.patient_record(who, [subject], told)
        done = change.state is ChangeState.DONE
        self._tell(event if done else replace(event, result=Result.MINOR_FAILURE))

    def performed(self, step: PerformedStep) -> None:
        """Tell that somebody has made a performed procedure step, or changed it."""
        keys, who = keys_of(step.dataset), person(callers.current())
        name = text(step.dataset, 0x00100010)
        subject = Subject(keys.study_instance_uid, keys.patient_id, name, keys.accession_number)
        action = Action.CREATE if step.revision == 1 else Action.UPDATE
        event = self.messages.procedure(who, subject, step.sop_instance_uid, action)
        self._tell(replace(event, description=f"performed procedure step {step.state.value}"))

    def printed(self, job: PrintJob) -> None:
        """Tell that somebody has films printed, for the first time or again."""
        films = f"{job.films} films, {job.copies} copies of each, by printer {job.printer}"
        self._tell(self.messages.printed(person(callers.current()), job.uid, films))

    def linked(self, patients: Sequence[PatientIdentifier], what: str) -> None:
        """Tell that patients were said to be one person, or not to be."""
        subjects = [Subject("", one.patient_id) for one in patients]
        self._tell(self.messages.patient_record(person(callers.current()), subjects, what))

    def ordered(self, subject: Subject, action: Action, what: str) -> None:
        """Tell that an order was entered, changed or ended."""
        self._tell(self.messages.order_record(person(callers.current()), subject, action, what))

    def held(self, study_instance_uid: str, what: str) -> None:
        """Tell that somebody has placed a study on legal hold, or released it, and why."""
        who = person(callers.current())

        def told() -> Iterable[AuditEvent]:
            found = Instances(subject_of(self._index, study_instance_uid))
            yield replace(self.messages.accessed(who, found, Action.UPDATE), description=what)

        self._sink.record(told)

    def moved(self, study_instance_uid: str, tier: str, moved: Moved) -> None:
        """Tell that instances of a study lie in another tier now."""
        who = person(callers.current())

        def told() -> Iterable[AuditEvent]:
            found = Instances(subject_of(self._index, study_instance_uid), {"": moved.instances})
            yield replace(self.messages.accessed(who, found, Action.UPDATE), description=f"moved to tier {tier}")

        self._sink.record(told)

    # What comes, and what goes

    def _look(self, kind: Kind, caller: Caller, uids: tuple[str, str, str], reason: str) -> None:
        study, series, instance = uids
        self._accessed("" if reason else study)
        step = Step(series="" if instance else series, counted=int(bool(instance)), failed_uid=instance, reason=reason)
        key = Key(kind, f"{caller.address} {caller.user}", study)
        gathered = self._gathering.add(key, step, lambda: Gathered(person(caller)))
        if None in gathered.whole.values():
            self._sink.record(lambda: self._counted(key, gathered))

    def _accessed(self, study: str) -> None:
        if study:
            self.accessed(study)

    def _stored(self, event: InstanceStored) -> None:
        values = event.record.values
        kind, source, who = self._sender(event.association_id, event.caller, event.record.source_ae_title)

        def make() -> Gathered:
            return Gathered(
                who, values.get("patient_id", ""), values.get("patient_name", ""), values.get("accession_number", "")
            )

        self._gathering.add(
            Key(kind, source, values["study_instance_uid"]), Step(values["sop_class_uid"], counted=1), make
        )

    def _refused(self, event: InstanceRefused) -> None:
        kind, source, who = self._sender(event.association_id, event.caller, event.source_ae_title)
        step = Step(failed_uid=event.sop_instance_uid, reason=event.reason)
        self._gathering.add(Key(kind, source, ""), step, lambda: Gathered(who))

    def _sender(self, association: str, caller: Caller | None, ae_title: str) -> tuple[Kind, str, Participant]:
        """Tell who brings an object, by which way, and what is over when no more comes."""
        if association:
            return "stored", association, peer(self._peers.get(association, Peer(ae_title)), requestor=True)
        if caller is not None and caller.door != "web":
            return "imported", caller.request, person(caller)
        if caller is not None:
            return "stored", caller.request, person(caller)
        return "stored", ae_title, peer(Peer(ae_title), requestor=False)

    def _removed(self, event: StudyRemoved | SeriesRemoved | InstanceRemoved) -> None:
        who, study = person(callers.current()), event.study_instance_uid

        def told() -> Iterable[AuditEvent]:
            if isinstance(event, StudyRemoved):
                subject = Subject(study, event.patient_id, event.patient_name, event.accession_number)
                return [self.messages.deleted(who, subject, event.instances)]
            count = event.instances if isinstance(event, SeriesRemoved) else 1
            found = Instances(subject_of(self._index, study), {"": count})
            return [self.messages.accessed(who, found, Action.DELETE)]

        self._sink.record(told)

    def _rejected(self, event: AssociationRefused) -> None:
        who = peer(Peer(event.calling_ae_title, event.address), requestor=True)
        reason = f"association rejected: {event.reason}"
        self._tell(self.messages.alert(audit.NODE_AUTHENTICATION, who, reason, result=Result.SERIOUS_FAILURE))

    def _node_changed(self, event: NodeChanged) -> None:
        what = "removed" if event.removed else "entered or changed"
        about = [node_object(event.ae_title)]
        who = person(callers.current())
        self._tell(self.messages.alert(audit.NETWORK_CONFIGURATION, who, f"a node was {what}", about=about))

    def _labelled(self, event: LabelsChanged) -> None:
        who, labels = person(callers.current()), ", ".join(event.labels) or "none"

        def told() -> Iterable[AuditEvent]:
            found = Instances(subject_of(self._index, event.study_instance_uid))
            yield replace(self.messages.accessed(who, found, Action.UPDATE), description=f"labels: {labels}")

        self._sink.record(told)

    def _begun(self, key: Key, gathered: Gathered) -> None:
        if key.study_instance_uid:
            self._sink.record(lambda: self._beginning(key, gathered))

    def _beginning(self, key: Key, gathered: Gathered) -> Iterable[AuditEvent]:
        """Look up whose study it is, which may be gone when all is gathered; make the message of a transfer's begin."""
        if not (gathered.patient_id or gathered.patient_name):
            found = subject_of(self._index, key.study_instance_uid)
            gathered.patient_id, gathered.patient_name = found.patient_id, found.patient_name
            gathered.accession_number = found.accession_number
        here, who = self.messages.here(), gathered.who
        if key.kind == "stored":
            yield self.messages.begin(who, here, _subject(key, gathered))
        elif key.kind == "sent":
            yield self.messages.begin(here, who, _subject(key, gathered))

    def _counted(self, key: Key, gathered: Gathered) -> Iterable[AuditEvent]:
        """Look up how many instances are meant where all of a series or study are."""
        for series in [series for series, count in list(gathered.whole.items()) if count is None]:
            gathered.whole[series] = count_of(self._index, key.study_instance_uid, series)
        return ()

    def _ended(self, key: Key, gathered: Gathered) -> None:
        self._sink.record(lambda: self._messages(key, gathered))

    def _messages(self, key: Key, gathered: Gathered) -> Iterable[AuditEvent]:
        """Make the messages of what was gathered: one of what worked, one of what did not."""
        subject = _subject(key, gathered)
        counts = dict(gathered.sop_classes)
        whole = gathered.whole.get("") or sum(count or 0 for count in gathered.whole.values())
        if whole:
            counts[""] = counts.get("", 0) + whole
        if counts or gathered.whole:
            yield self._message(key.kind, gathered.who, Instances(subject, counts))
        if gathered.failed:
            failed, uids = gathered.failed, gathered.failed_uids
            yield self._message(key.kind, gathered.who, Instances(subject, {}, failed, uids, gathered.reason))

    def _message(self, kind: Kind, who: Participant, found: Instances) -> AuditEvent:
        messages = self.messages
        match kind:
            case "stored":
                return messages.transferred(who, messages.here(), found, stored=True)
            case "sent":
                return messages.transferred(messages.here(), who, found, stored=False)
            case "imported":
                return messages.imported(who, found)
            case "exported":
                return messages.exported(who, found)
        return messages.accessed(who, found)

    def _tell(self, event: AuditEvent) -> None:
        self._sink.record(lambda: [event], at_once=False)


def _parts(subject: Subject, instances: Sequence[str], failed: AbstractSet[str], failure: str) -> Iterable[Instances]:
    """Tell apart, of one study, the instances that were sent and those that were not."""
    missing = [uid for uid in instances if uid in failed or not failed] if failure else []
    if len(instances) > len(missing):
        yield Instances(subject, {"": len(instances) - len(missing)})
    if missing or (failure and not instances):
        yield Instances(subject, failed=max(1, len(missing)), failed_uids=missing if failed else (), reason=failure)


def _subject(key: Key, gathered: Gathered) -> Subject:
    return Subject(key.study_instance_uid, gathered.patient_id, gathered.patient_name, gathered.accession_number)
