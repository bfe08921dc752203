"""What goes out in another transfer syntax than it is stored in: the web side's way to `services.transcoding`."""

from archimage.errors import NotAcceptableError
from archimage.model.records import StoredInstance
from archimage.web.dicomweb.answers import Open
from archimage.web.dicomweb.resources import DicomWebRequest


def can(_request: DicomWebRequest, _source: str, _target: str) -> bool:
    """Tell whether there is a way from one transfer syntax to another."""
    return False


def opener(_request: DicomWebRequest, instance: StoredInstance, target: str) -> Open:
    """Return what opens an instance in a transfer syntax, as a file."""
    raise NotAcceptableError(f"there is no way from {instance.transfer_syntax_uid} to {target}")


def frame(_request: DicomWebRequest, instance: StoredInstance, _number: int, target: str) -> bytes:
    """Return a frame in a transfer syntax."""
    raise NotAcceptableError(f"there is no way from {instance.transfer_syntax_uid} to {target}")
