"""Scheduled procedure steps for tests: Demo people, as modalities are told them."""

from archimage.services.datasets import Model, attribute, made
from archimage.services.identifiers import Key
from archimage.services.modelmatching import Wanted, parse


def step(*, station: str = "CT1", day: str = "20261201", hour: str = "0900", modality: str = "CT") -> Model:
    """Return an item of the Scheduled Procedure Step Sequence; stations are separated by backslashes."""
    return made(
        attribute(0x00080060, modality),
        attribute(0x00400001, *station.split("\\")),
        attribute(0x00400002, day),
        attribute(0x00400003, hour),
        attribute(0x00400006, "Demo^Physician"),
        attribute(0x00400007, "Head without contrast"),
        attribute(0x00400010, "ROOM 1"),
    )


def order(accession: str = "ACC1", patient: str = "DEMO-1", name: str = "Demo^Anna", at: Model | None = None) -> Model:
    """Return an entry, without the identifiers that are made."""
    return made(
        attribute(0x00080050, *filter(None, [accession])),
        attribute(0x00080090, "Demo^Referrer"),
        attribute(0x00100010, name),
        attribute(0x00100020, patient),
        attribute(0x00100030, "19700102"),
        attribute(0x00100040, "F"),
        attribute(0x00321060, "CT of the head"),
        attribute(0x00400100, step() if at is None else at),
    )


def wanted(*keys: tuple[int, str, str], inner: tuple[tuple[int, str, str], ...] = ()) -> tuple[Wanted, ...]:
    """Return the keys of a query: tag, VR and value each; inner are those of the step."""
    steps = Key(0x00400100, "SQ", "", (tuple(Key(*key) for key in inner),))
    return parse([*(Key(*key) for key in keys), steps])
