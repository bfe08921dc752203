"""Who was granted a part of the archive only, and what is about patients but no stored object."""

from archimage.errors import NotAuthorisedError
from archimage.model import callers
from archimage.model.access import Scope
from archimage.services.datasets import Model, items, text

_PATIENT_ID = 0x00100020
_STUDY_UID = 0x0020000D
_MODALITY = 0x00080060
_SCHEDULED_STEPS = 0x00400100


def is_shown(model: Model) -> bool:
    """Tell whether who asks may see a data set: by its patient, study and modality; labels are of stored studies."""
    return all(any(_lies_in(model, scope) for scope in extent) for extent in callers.granted().within)


def check(model: Model) -> None:
    """Raise NotAuthorisedError where who asks may not see, or make, a data set."""
    if not is_shown(model):
        raise NotAuthorisedError("this is not within what you are granted")


def _lies_in(model: Model, scope: Scope) -> bool:
    if scope.labels:
        return False
    modality = text(model, _MODALITY) or next((text(step, _MODALITY) for step in items(model, _SCHEDULED_STEPS)), "")
    pairs = (
        (scope.patients, text(model, _PATIENT_ID)),
        (scope.studies, text(model, _STUDY_UID)),
        (scope.modalities, modality),
    )
    return all(not allowed or value in allowed for allowed, value in pairs)
