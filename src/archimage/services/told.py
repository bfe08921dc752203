"""What the log tells of objects and of queries; of patients only where a setting says so (`logger.PATIENT`)."""

from archimage.logger import is_detailed, logger
from archimage.model.events import InstanceRefused, InstanceStored
from archimage.model.query import Condition, DateTimeRange, Query

_storage = logger("storage")
_index = logger("index")


def object_came(event: InstanceStored | InstanceRefused) -> None:
    """Tell what became of an object: that it was refused always, that it was kept to who wants details."""
    over = {"association": event.association_id} if event.association_id else {}
    if isinstance(event, InstanceRefused):
        uid, ae_title = event.sop_instance_uid, event.source_ae_title
        _storage.warning("object refused", sop_instance_uid=uid, ae=ae_title, reason=event.reason, **over)
    elif is_detailed("storage"):
        record, values = event.record, event.record.values
        _storage.debug(
            "object replaced" if event.replaced else "object stored",
            sop_instance_uid=record.sop_instance_uid,
            study_instance_uid=values["study_instance_uid"],
            sop_class_uid=values["sop_class_uid"],
            size_bytes=record.size_bytes,
            ae=record.source_ae_title,
            **over,
            patient={key: values.get(f"patient_{key}", "") for key in ("id", "name")},
        )


def query_asked(query: Query) -> None:
    """Tell what is asked of the index to who wants details; what for, only to who may know of patients."""
    if is_detailed("index"):
        sought = [_written(condition) for condition in query.conditions]
        text = [repr(query.text)] if query.text else []
        _index.debug("query", query_level=query.level, keys=len(sought), patient={"sought": ", ".join(sought + text)})


def _written(condition: Condition | DateTimeRange) -> str:
    attribute = condition.date if isinstance(condition, DateTimeRange) else condition.attribute
    return f"{attribute.keyword}: {condition.match}"
