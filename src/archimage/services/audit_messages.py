"""The audit messages of this archive: who takes part in what, and what it is about.

Ref: PS3.15 §A.5.3, each function the table of its event.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, NamedTuple

from archimage.model import audit
from archimage.model.audit import Action, AuditEvent, AuditObject, Code, Participant, Result
from archimage.model.callers import Caller

MAX_IDENTIFIER_BYTES: Final = 12 << 10
"""So much of a query is told: a repository need not take messages of more than 32 KiB (PS3.15 §A.6)."""
MAX_NAMED: Final = 100
"""So many instances that failed are named."""
_AETITLES: Final = "AETITLES="
_NOBODY: Final = "anonymous"
_MEDIA: Final = Code("110037", "DCM", "URI")
_FILM: Final = Code("110010", "DCM", "Film")
_REMEMBERED: Final = 256
"""Participants that are kept: the same few stand in nearly all messages of searches."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a study: whose it is, and its accession number."""

    study_instance_uid: str
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another application entity: its AE title, where its connection comes from or goes to, and its user, if proved."""

    ae_title: str
    address: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Instances:
    """Instances of one study that somebody had to do with; failed_uids are those with which it did not work.

    anonymized tells that what was given away of them was de-identified before.
    """

    subject: Subject
    sop_classes: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    failed_uids: Sequence[str] = ()
    reason: str = ""
    anonymized: bool | None = None


class Asked(NamedTuple):
    """A search: by which SOP class or at which address, what was asked, in which encoding, and when.

    identifier is what is told of length_bytes; encoding is a transfer syntax, or what else reads it.
    """

    sop_class_uid: str
    identifier: bytes
    length_bytes: int
    encoding: str
    when: float


def person(caller: Caller | None) -> Participant:
    """Return whoever asked for something."""
    if caller is None:
        return Participant(_NOBODY, requestor=True)
    return _person(caller.user, caller.principal.ae_title, caller.address)


def peer(one: Peer, *, requestor: bool) -> Participant:
    """Return another application entity."""
    user = one.user or one.ae_title or one.address or _NOBODY
    alternative = _AETITLES + one.ae_title if one.ae_title else ""
    return Participant(user, requestor, address=one.address, alternative_id=alternative)


class Messages:
    """Makes messages that a process of an archive of these AE titles tells; clock gives seconds since 1970, UTC."""

    def __init__(self, ae_title: str, process: str, host: str, clock: Callable[[], float] = time.time) -> None:
        self._here = Participant(process, requestor=False, address=host, alternative_id=_AETITLES + ae_title)
        self._clock = clock
        self._asked = self.here(audit.DESTINATION)

    def here(self, *roles: Code, requestor: bool = False) -> Participant:
        """Return this archive."""
        return replace(self._here, roles=roles, requestor=requestor)

    def activity(self, *, started: bool) -> AuditEvent:
        """Tell that the archive was started or stopped (§A.5.3.1)."""
        kind = audit.APPLICATION_START if started else audit.APPLICATION_STOP
        return self._event(audit.APPLICATION_ACTIVITY, Action.EXECUTE, (self.here(audit.APPLICATION),), types=(kind,))

    def network(self, *, attached: bool) -> AuditEvent:
        """Tell that it began or ended to listen (§A.5.3.9)."""
        kind = audit.ATTACH if attached else audit.DETACH
        return self._event(audit.NETWORK_ENTRY, Action.EXECUTE, (self.here(),), types=(kind,))

    def used(self, who: Participant, uri: str, what: str) -> AuditEvent:
        """Tell that somebody has looked into the audit trail (§A.5.3.2)."""
        log = AuditObject(uri, audit.URI, audit.SYSTEM_OBJECT, audit.ROLE_SECURITY_RESOURCE, "Security Audit Log")
        named = replace(log, details=(("Query", _bytes(what)),)) if what else log
        return self._event(audit.AUDIT_LOG_USED, Action.READ, (who,), (named,))

    def begin(self, source: Participant, destination: Participant, subject: Subject) -> AuditEvent:
        """Tell that instances begin to go from one to another (§A.5.3.3)."""
        both = replace(source, roles=(audit.SOURCE,)), replace(destination, roles=(audit.DESTINATION,))
        return self._event(audit.BEGIN_TRANSFERRING, Action.EXECUTE, both, _objects(Instances(subject)))

    def transferred(
        self,
        source: Participant,
        destination: Participant,
        found: Instances,
        *,
        stored: bool,
        also: Sequence[Participant] = (),
    ) -> AuditEvent:
        """Tell that instances went from one to another, and that some of them did not (§A.5.3.5)."""
        both = replace(source, roles=(audit.SOURCE,)), replace(destination, roles=(audit.DESTINATION,)), *also
        action = Action.CREATE if stored else Action.READ
        return self._event(audit.INSTANCES_TRANSFERRED, action, both, _objects(found), failure=_failure(found))

    def accessed(self, who: Participant, found: Instances, action: Action = Action.READ) -> AuditEvent:
        """Tell that somebody has looked at instances, or changed or removed some of a study (§A.5.3.4)."""
        return self._event(
            audit.INSTANCES_ACCESSED, action, (who, self.here()), _objects(found), failure=_failure(found)
        )

    def opened(self, who: Participant, uri: str, failure: str, subject: Subject | None = None) -> AuditEvent:
        """Tell that somebody has looked at what stands at an address, and of whom that is (§A.5.3.4)."""
        what: tuple[AuditObject, ...] = (AuditObject(uri, audit.URI, audit.SYSTEM_OBJECT, audit.ROLE_REPORT, uri),)
        if subject is not None:
            what += _objects(Instances(subject)) if subject.study_instance_uid else (_patient(subject),)
        return self._event(audit.INSTANCES_ACCESSED, Action.READ, (who, self.here()), what, failure=failure)

    def exported(self, who: Participant, found: Instances) -> AuditEvent:
        """Tell that instances were given as files (§A.5.3.7)."""
        media = Participant("download", requestor=False, roles=(audit.DESTINATION_MEDIA,), media=_MEDIA)
        both = replace(who, roles=(audit.DESTINATION,)), self.here(audit.SOURCE), media
        return self._event(audit.EXPORT, Action.READ, both, _objects(found), failure=_failure(found))

    def printed(self, who: Participant, job_uid: str, films: str) -> AuditEvent:
        """Tell that somebody had films made, of which it is not known whom they show (§A.5.3.7)."""
        media = Participant("films", requestor=False, roles=(audit.DESTINATION_MEDIA,), media=_FILM)
        both = replace(who, roles=(audit.DESTINATION,)), self.here(audit.SOURCE), media
        job = AuditObject(job_uid, audit.URI, audit.SYSTEM_OBJECT, audit.ROLE_REPORT, job_uid)
        return replace(self._event(audit.EXPORT, Action.READ, both, (job,)), description=films)

    def copied(self, who: Participant, place: str, what: str) -> AuditEvent:
        """Tell that somebody has all of an archive copied to a place (§A.5.3.7)."""
        media = Participant(place, requestor=False, roles=(audit.DESTINATION_MEDIA,), media=_MEDIA)
        both = replace(who, roles=(audit.DESTINATION,)), self.here(audit.SOURCE), media
        copy = AuditObject(place, audit.URI, audit.SYSTEM_OBJECT, audit.ROLE_REPORT, place)
        return replace(self._event(audit.EXPORT, Action.READ, both, (copy,)), description=what)

    def imported(self, who: Participant, found: Instances) -> AuditEvent:
        """Tell that files were taken in (§A.5.3.8)."""
        media = Participant("files", requestor=False, roles=(audit.SOURCE_MEDIA,), media=_MEDIA)
        both = replace(who, roles=(audit.SOURCE,)), self.here(audit.DESTINATION), media
        return self._event(audit.IMPORT, Action.CREATE, both, _objects(found), failure=_failure(found))

    def deleted(self, who: Participant, subject: Subject, instances: int) -> AuditEvent:
        """Tell that a study is gone (§A.5.3.6)."""
        found = Instances(subject, {"": instances})
        return self._event(audit.STUDY_DELETED, Action.DELETE, (who, self.here()), _objects(found))

    def asked(self, sop_class_uid: str, identifier: bytes, encoding: str) -> Asked:
        """Note a search that was done just now, and of it no more than is told."""
        return Asked(sop_class_uid, identifier[:MAX_IDENTIFIER_BYTES], len(identifier), encoding, self._clock())

    def queried(self, who: Participant, asked: Asked, failure: str = "") -> AuditEvent:
        """Tell what was searched for (§A.5.3.13)."""
        details = [("TransferSyntax", _bytes(asked.encoding))]
        if len(asked.identifier) < asked.length_bytes:
            details.append(("IdentifierLength", b"%d" % asked.length_bytes))
        query = AuditObject(
            asked.sop_class_uid,
            audit.SOP_CLASS_UID,
            audit.SYSTEM_OBJECT,
            audit.ROLE_REPORT,
            query=asked.identifier,
            details=tuple(details),
        )
        both = _source(who), self._asked
        return AuditEvent(audit.QUERY, Action.EXECUTE, _result(failure), asked.when, both, (query,), (), failure)

    def patient_record(self, who: Participant, subjects: Sequence[Subject], reason: str) -> AuditEvent:
        """Tell that what is kept of patients was changed, and why (§A.5.3.11)."""
        patients = {one.patient_id: _patient(one) for one in subjects}
        event = self._event(audit.PATIENT_RECORD, Action.UPDATE, (who, self.here()), tuple(patients.values()))
        return replace(event, description=reason)

    def procedure(self, who: Participant, subject: Subject, mpps_uid: str, action: Action) -> AuditEvent:
        """Tell that somebody has made or changed what is known of a procedure (§A.5.3.12)."""
        study, patient = _objects(Instances(subject))
        both = who, self.here()
        return self._event(audit.PROCEDURE_RECORD, action, both, (replace(study, mpps_uids=(mpps_uid,)), patient))

    def order_record(self, who: Participant, subject: Subject, action: Action, what: str) -> AuditEvent:
        """Tell that an order was entered, changed or ended (§A.5.3.10)."""
        event = self._event(audit.ORDER_RECORD, action, (who, self.here()), (_patient(subject),))
        return replace(event, description=what)

    def alert(
        self,
        kind: Code,
        who: Participant,
        description: str,
        *,
        result: Result = Result.SUCCESS,
        about: Sequence[AuditObject] = (),
    ) -> AuditEvent:
        """Tell what somebody who watches over the archive should know (§A.5.3.14)."""
        here = () if who.user_id == self._here.user_id else (self.here(),)
        event = self._event(audit.SECURITY_ALERT, Action.EXECUTE, (who, *here), tuple(about), types=(kind,))
        return replace(event, result=result, description=description)

    def authentication(self, kind: Code, who: Participant, failure: str) -> AuditEvent:
        """Tell that somebody has logged in or out, or why he could not (§A.5.3.15)."""
        both = who, self.here()
        return self._event(audit.USER_AUTHENTICATION, Action.EXECUTE, both, types=(kind,), failure=failure)

    def _event(
        self,
        kind: Code,
        action: Action,
        participants: tuple[Participant, ...],
        objects: tuple[AuditObject, ...] = (),
        *,
        types: tuple[Code, ...] = (),
        failure: str = "",
    ) -> AuditEvent:
        return AuditEvent(kind, action, _result(failure), self._clock(), participants, objects, types, failure)


def node_object(ae_title: str) -> AuditObject:
    """Return what tells of a node."""
    return AuditObject(ae_title, audit.NODE_ID, audit.SYSTEM_OBJECT, audit.ROLE_MASTER_FILE, ae_title)


@lru_cache(_REMEMBERED)
def _person(user: str, ae_title: str, address: str) -> Participant:
    return peer(Peer(ae_title, address, user), requestor=True)


@lru_cache(_REMEMBERED)
def _source(who: Participant) -> Participant:
    """Return somebody as the one from whom something comes."""
    return replace(who, roles=(audit.SOURCE,))


def _result(failure: str) -> Result:
    return Result.MINOR_FAILURE if failure else Result.SUCCESS


def _bytes(text: str) -> bytes:
    """Encode whatever somebody has sent."""
    return text.encode("utf-8", "backslashreplace")


def _failure(found: Instances) -> str:
    return found.reason or "not all of it worked" if found.failed else ""


def _objects(found: Instances) -> tuple[AuditObject, ...]:
    """Return what tells of a study and its patient."""
    subject = found.subject
    details = tuple(("SOPInstanceUID", _bytes(uid)) for uid in found.failed_uids[:MAX_NAMED])
    study = AuditObject(
        subject.study_instance_uid,
        audit.STUDY_UID,
        audit.SYSTEM_OBJECT,
        audit.ROLE_REPORT,
        sop_classes={"": found.failed} if found.failed else found.sop_classes,
        details=details,
        accession_numbers=(subject.accession_number,) if subject.accession_number else (),
        anonymized=found.anonymized,
    )
    return study, _patient(subject)


def _patient(subject: Subject) -> AuditObject:
    return AuditObject(subject.patient_id, audit.PATIENT_NUMBER, audit.PERSON, audit.ROLE_PATIENT, subject.patient_name)
