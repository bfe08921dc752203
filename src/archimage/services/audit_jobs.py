"""What the audit trail is told of durable work: who has paused, resumed, cancelled or retried it, and what left so."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from archimage.model import audit, callers
from archimage.model.audit import AuditEvent, AuditObject
from archimage.model.deliveries import Delivery
from archimage.model.jobs import Job
from archimage.ports.audit import AuditSink
from archimage.ports.jobs import Lane
from archimage.services.audit_messages import Instances, Messages, person
from archimage.services.audit_subjects import Finds, subject_of


class JobAudit:
    """Tells a sink of it; accessed hears of every study of which somebody is given something."""

    def __init__(self, sink: AuditSink, messages: Messages, index: Finds, accessed: Callable[[str], None]) -> None:
        self._sink = sink
        self._messages = messages
        self._index = index
        self._accessed = accessed

    def turned(self, deed: str, what: Job | Lane) -> None:
        """Tell that somebody has paused, resumed, cancelled or retried a job, or all of a kind for a destination."""
        whom = f"{what.kind} for {what.destination or 'nobody'}"
        if isinstance(what, Job):
            name, told = f"/api/v1/jobs/{what.id}", f"job {what.id} was {deed}: {what.title} ({whom})"
        else:
            name, told = "/api/v1/jobs", f"all jobs were {deed}: {whom}"
        self._alert(name, told)

    def asked(self, job: Job) -> None:
        """Tell that somebody has asked for work on what is stored."""
        self._alert(f"/api/v1/jobs/{job.id}", f"job {job.id} was asked for: {job.title} ({job.kind})")

    def delivery(self, deed: str, one: Delivery) -> None:
        """Tell that somebody has paused, resumed, retried or removed what another one is to be told."""
        what = f"delivery {one.id} was {deed}: {one.kind} for {one.destination}, {one.about}"
        self._alert(f"/api/v1/deliveries/{one.id}", what)

    def exported(self, study_instance_uid: str, sop_classes: Mapping[str, int], place: str) -> None:
        """Tell that objects of a study were written into a file, or that somebody was given it."""
        who = person(callers.current())

        def told() -> Iterable[AuditEvent]:
            self._accessed(study_instance_uid)
            found = Instances(subject_of(self._index, study_instance_uid), sop_classes)
            yield replace(self._messages.exported(who, found), description=place)

        self._sink.record(told)

    def _alert(self, name: str, told: str) -> None:
        """Tell it among the changes of what the archive does: the trail has no event of its own for it."""
        about = [AuditObject(name, audit.URI, audit.SYSTEM_OBJECT, audit.ROLE_REPORT, name)]
        who = person(callers.current())
        event = self._messages.alert(audit.SOFTWARE_CONFIGURATION, who, told, about=about)
        self._sink.record(lambda: [event], at_once=False)
