"""Orders in the worklist: the entry of each is kept, changed and closed."""

from typing import Final

from archimage.errors import NotFoundError
from archimage.hl7.orders import Order, Task
from archimage.model.worklist import StepState
from archimage.services.datasets import text
from archimage.services.worklist import WorklistFilter, WorklistService
from archimage.services.worklist_entries import ACCESSION_NUMBER, PATIENT_ID, PROCEDURE_ID, key_of

_SOURCE: Final = "hl7"
_STATES: Final = {
    Task.DISCONTINUE: StepState.DISCONTINUED,
    Task.START: StepState.STARTED,
    Task.COMPLETE: StepState.COMPLETED,
}


class Scheduling:
    """Puts orders into the worklist; all of it blocks."""

    def __init__(self, worklist: WorklistService) -> None:
        self._worklist = worklist

    def put(self, order: Order) -> str:
        """Keep an entry, in the place of the one of the same order and step; return what was done.

        Raises:
            ServiceError: it lacks what modalities must be told; see `WorklistService.put`.
        """
        item = self._worklist.put(order.model, source=_SOURCE)
        return f"worklist entry {item.key} is {item.state}"

    def close(self, order: Order) -> str:
        """Say where the entries of an order stand; return what was done.

        An order that names no step is about all of its steps.

        Raises:
            NotFoundError: there is none.
        """
        state = _STATES[order.task]
        keys = self._keys(order)
        for key in keys:
            self._worklist.set_state(key, state)
        return f"{len(keys)} worklist entries are {state}"

    def _keys(self, order: Order) -> list[str]:
        try:
            return [self._worklist.get(key_of(order.model)).key]
        except NotFoundError:
            pass
        accession = text(order.model, ACCESSION_NUMBER)
        found, _ = self._worklist.list(WorklistFilter(text=accession)) if accession else ((), 0)
        named = (ACCESSION_NUMBER, PATIENT_ID)
        keys = [one.key for one in found if all(text(one.model, tag) == text(order.model, tag) for tag in named)]
        if not keys:
            number = accession or text(order.model, PROCEDURE_ID)
            raise NotFoundError(f"the worklist has no order {number}")
        return keys
