"""The worklist: what is kept, told and closed; over a real index."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from archimage.errors import InvalidRequestError, NotAuthorisedError, NotFoundError, OutOfResourcesError
from archimage.index.sqlite import SqliteIndex
from archimage.index.worklist import WorklistTable
from archimage.model import callers
from archimage.model.access import Grant, Scope
from archimage.model.worklist import StepState
from archimage.services.datasets import Model, attribute, items, made, text
from archimage.services.modelmatching import Wanted
from archimage.services.worklist import WorklistFilter, WorklistRules, WorklistService
from tests.scheduled import order, step, wanted

NOON = datetime(2026, 12, 1, 12).timestamp()  # noqa: DTZ001 - days are those of this place
DAY_S = 86_400
STUDY_UID, ACCESSION, PROCEDURE_ID, STEP_ID = 0x0020000D, 0x00080050, 0x00401001, 0x00400009


class Clock:
    """The time, as a test says."""

    def __init__(self) -> None:
        self.now = NOON


@pytest.fixture
def clock() -> Clock:
    """Return noon."""
    return Clock()


@pytest.fixture
def worklist(tmp_path: Path, clock: Clock) -> Iterator[WorklistService]:
    """Return an empty worklist."""
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        yield WorklistService(
            WorklistTable(index), WorklistRules(stations={"MR": ("MR1", "MR2"), "*": ("ANY",)}), lambda: clock.now
        )


def _told(worklist: WorklistService, keys: tuple[Wanted, ...] = (), *, fuzzy: bool = False) -> list[str]:
    pages = worklist.find(keys, fuzzy=fuzzy)
    return [text(item.model, ACCESSION) for page in pages for item in page]


def _reference(model: Model) -> Model:
    (one,) = items(model, 0x00400100)
    return made(
        attribute(STUDY_UID, text(model, STUDY_UID)),
        attribute(ACCESSION, text(model, ACCESSION)),
        attribute(PROCEDURE_ID, text(model, PROCEDURE_ID)),
        attribute(STEP_ID, text(one, STEP_ID)),
    )


def test_identifiers_that_are_missing_are_made_and_stay_when_the_order_comes_again(worklist: WorklistService) -> None:
    first = worklist.put(order(), source="api")
    again = worklist.put(order(name="Demo^Anna^Maria"), source="hl7")
    assert first.key == again.key
    assert worklist.list()[1] == 1
    assert all(text(_reference(first.model), tag) for tag in (STUDY_UID, PROCEDURE_ID, STEP_ID))
    assert _reference(first.model) == _reference(again.model)
    assert (first.created_at, again.source) == (again.created_at, "hl7")


def test_orders_of_other_steps_are_other_entries(worklist: WorklistService) -> None:
    keys = {worklist.put(order(accession), source="api").key for accession in ("ACC1", "ACC2", "", "")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("model", "lacking"),
    [
        (order(name=""), "Patient's Name"),
        (order(patient=""), "Patient ID"),
        (order(at=step(day="")), "Start Date"),
        (order(at=step(hour="")), "Start Time"),
        (order(at=step(modality="")), "Modality"),
        (order(at=step(day="20261301")), "not a date"),
        (order(at=step(hour="25")), "not a time"),
        ({**order(), "00400100": {"vr": "SQ"}}, "one item"),
        ({**order(), "00400100": {"vr": "SQ", "Value": [step(), step()]}}, "one item"),
        ({**order(), "0020000D": {"vr": "UI", "Value": ["1.a"]}}, "cannot be told"),
        ({**order(), "001021C0": {"vr": "US", "Value": ["many"]}}, "cannot be told"),
        ({**order(), "00104000": {"vr": "LT", "Value": ["\ud800"]}}, "cannot be told"),
    ],
)
def test_what_modalities_must_be_told_is_asked_for(worklist: WorklistService, model: Model, lacking: str) -> None:
    with pytest.raises(InvalidRequestError, match=lacking):
        worklist.put(model, source="api")
    assert worklist.list()[1] == 0


def test_an_order_without_a_station_is_for_those_of_its_modality(worklist: WorklistService) -> None:
    worklist.put(order("A", at=step(station="", modality="MR")), source="hl7")
    worklist.put(order("B", at=step(station="", modality="US")), source="hl7")
    assert _told(worklist, wanted(inner=((0x00400001, "AE", "MR2"),))) == ["A"]
    assert _told(worklist, wanted(inner=((0x00400001, "AE", "ANY"),))) == ["B"]


def test_keys_of_the_step_are_met_by_it(worklist: WorklistService) -> None:
    worklist.put(order("A", at=step(hour="0900")), source="api")
    worklist.put(order("B", at=step(day="20261202", hour="1030", station="MR1", modality="MR")), source="api")
    assert _told(worklist) == ["A", "B"]
    assert _told(worklist, wanted(inner=((0x00400002, "DA", "20261202"), (0x00080060, "CS", "MR")))) == ["B"]
    assert _told(worklist, wanted(inner=((0x00400002, "DA", "20261202"), (0x00080060, "CS", "CT")))) == []
    assert _told(worklist, wanted((0x00100010, "PN", "dEmO*"), inner=((0x00400003, "TM", "08-0930"),))) == ["A"]
    assert _told(worklist, wanted((0x00100040, "CS", "M"))) == []


def test_date_and_time_are_one_where_that_is_agreed_on(worklist: WorklistService) -> None:
    worklist.put(order("A", at=step(hour="0900")), source="api")
    worklist.put(order("B", at=step(day="20261202", hour="0700")), source="api")
    keys = wanted(inner=((0x00400002, "DA", "20261201-20261202"), (0x00400003, "TM", "0800-0730")))
    assert [text(item.model, ACCESSION) for page in worklist.find(keys, combined=True) for item in page] == ["A", "B"]
    keys = wanted(inner=((0x00400002, "DA", "20261201-20261202"), (0x00400003, "TM", "0930-0730")))
    assert [text(item.model, ACCESSION) for page in worklist.find(keys, combined=True) for item in page] == ["B"]
    assert _told(worklist, keys) == []


def test_names_are_met_by_sound_where_that_is_agreed_on(worklist: WorklistService) -> None:
    worklist.put(order("A", name="Schmidt^Anna"), source="api")
    keys = wanted((0x00100010, "PN", "Smith"))
    assert (_told(worklist, keys), _told(worklist, keys, fuzzy=True)) == ([], ["A"])


def test_all_pages_come_in_the_order_of_starts(worklist: WorklistService) -> None:
    for number in range(250):
        worklist.put(order(f"{number:03}", at=step(hour=f"{number % 24:02}00")), source="api")
    pages = list(worklist.find(()))
    starts = [text(items(item.model, 0x00400100)[0], 0x00400003) for page in pages for item in page]
    assert [len(page) for page in pages] == [100, 100, 50]
    assert starts == sorted(starts)


def test_what_is_over_or_past_is_not_told_but_kept(worklist: WorklistService, clock: Clock) -> None:
    first = worklist.put(order("A"), source="api")
    worklist.put(order("B", at=step(day="20261202")), source="api")
    worklist.set_state(first.key, StepState.DISCONTINUED)
    assert _told(worklist) == ["B"]
    clock.now = datetime(2026, 12, 3, 23, 59).timestamp()  # noqa: DTZ001
    assert _told(worklist) == ["B"]
    clock.now += timedelta(minutes=1).total_seconds()
    assert _told(worklist) == []
    assert worklist.list()[1] == 2
    clock.now += 31 * DAY_S
    worklist.put(order("C", at=step(day="20270201")), source="api")
    assert worklist.list()[1] == 1


def test_a_performed_step_says_where_its_entry_stands(worklist: WorklistService) -> None:
    item = worklist.put(order(), source="api")
    reference = _reference(item.model)
    started = worklist.mark(reference, StepState.STARTED)
    assert started is not None
    assert (started.key, started.state) == (item.key, StepState.STARTED)
    assert text(items(started.model, 0x00400100)[0], 0x00400020) == "STARTED"
    assert worklist.mark(reference, StepState.COMPLETED) == worklist.get(item.key)
    assert worklist.mark(reference, StepState.STARTED) == worklist.get(item.key)
    assert worklist.get(item.key).state is StepState.COMPLETED
    worklist.put(order(), source="hl7")
    assert worklist.get(item.key).state is StepState.COMPLETED


def test_it_is_found_by_accession_number_and_step_where_the_study_is_another(worklist: WorklistService) -> None:
    item = worklist.put(order(), source="api")
    reference = {**_reference(item.model), **made(attribute(STUDY_UID, "1.2.3"))}
    found = worklist.mark(reference, StepState.STARTED)
    assert found is not None
    assert found.key == item.key


def test_who_names_nothing_or_something_else_marks_nothing(worklist: WorklistService) -> None:
    item = worklist.put(order(), source="api")
    reference = _reference(item.model)
    for other in (
        {},
        made(attribute(STUDY_UID, "1.2.3")),
        {**reference, **made(attribute(STEP_ID, "OTHER"))},
        {**reference, **made(attribute(ACCESSION, "OTHER"))},
    ):
        assert worklist.mark(other, StepState.STARTED) is None
    assert worklist.get(item.key).state is StepState.SCHEDULED


def test_of_several_steps_of_a_study_that_is_marked_which_is_named(worklist: WorklistService) -> None:
    def numbered(number: str) -> Model:
        at = {**step(), **made(attribute(STEP_ID, number))}
        return {**order(at=at), **made(attribute(STUDY_UID, "1.2.3"), attribute(PROCEDURE_ID, "P"))}

    first, second = (worklist.put(numbered(number), source="api") for number in "12")
    assert worklist.mark(made(attribute(STUDY_UID, "1.2.3")), StepState.STARTED) is None
    assert worklist.mark(_reference(second.model), StepState.STARTED) is not None
    assert (worklist.get(first.key).state, worklist.get(second.key).state) == (StepState.SCHEDULED, StepState.STARTED)


def test_it_is_listed_by_state_day_station_modality_and_text(worklist: WorklistService) -> None:
    worklist.put(order("A"), source="api")
    at = step(day="20261202", station="MR1", modality="MR")
    second = worklist.put(order("B", patient="DEMO-2", at=at), source="api")
    worklist.set_state(second.key, StepState.ARRIVED)
    for chosen in (
        WorklistFilter(state=StepState.ARRIVED),
        WorklistFilter(dates="20261202-"),
        WorklistFilter(station="MR1"),
        WorklistFilter(modality="MR"),
        WorklistFilter(text="DEMO-2"),
    ):
        found, count = worklist.list(chosen)
        assert ([text(item.model, ACCESSION) for item in found], count) == (["B"], 1)


def test_a_key_that_is_not_kept_is_not_found(worklist: WorklistService) -> None:
    with pytest.raises(NotFoundError):
        worklist.get("none")
    with pytest.raises(NotFoundError):
        worklist.remove("none")
    with pytest.raises(NotFoundError):
        worklist.set_state("none", StepState.STARTED)
    with pytest.raises(InvalidRequestError, match="key"):
        worklist.put(order(), source="api", key="../none")


def test_who_was_granted_a_part_sees_and_makes_that_part_alone(worklist: WorklistService) -> None:
    kept = worklist.put(order("A", patient="DEMO-1"), source="api", key="A")
    worklist.put(order("B", patient="DEMO-2"), source="api", key="B")
    with callers.under(Grant(within=((Scope(patients=frozenset({"DEMO-2"})),),))):
        assert _told(worklist) == ["B"]
        assert worklist.list()[1] == 1
        for act in (lambda: worklist.get("A"), lambda: worklist.remove("A")):
            with pytest.raises(NotFoundError):
                act()
        with pytest.raises(NotAuthorisedError):
            worklist.put(order("A", patient="DEMO-2"), source="api", key="A")
        with pytest.raises(NotAuthorisedError):
            worklist.put(order("C", patient="DEMO-1"), source="api")
    assert worklist.get("A") == kept


def test_there_is_an_end_to_what_is_kept(tmp_path: Path) -> None:
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        table = WorklistTable(index)
        WorklistService(table).put(order("A"), source="api")
        with pytest.raises(OutOfResourcesError, match="1 entries"):
            WorklistService(table, WorklistRules(max_entries=1)).put(order("B"), source="api")
