"""Work items as people look for them, over a real index."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.errors import RefusedOperationError
from archimage.model import callers
from archimage.model.access import Grant, Scope
from archimage.model.ups import StepState, WorkitemSummary
from archimage.services import ups_listing
from archimage.services.datasets import Model, attribute, made
from archimage.services.ups import UpsService
from archimage.services.ups_listing import WorkitemListing, listed
from tests.workitems import STATION, new_item, performed, procedures

MINE = "1.2.3.1"


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[UpsService]:
    """Return the service over an empty index."""
    with procedures(tmp_path) as opened:
        yield opened.steps


def _found(steps: UpsService, text: str = "", state: StepState | None = None) -> list[str]:
    return [one.uid for one in listed(steps.table, WorkitemListing(state, text)).items]


def _one(steps: UpsService) -> WorkitemSummary:
    (one,) = listed(steps.table, WorkitemListing()).items
    return one


def _human(name: str) -> Model:
    return made(attribute(0x00404009, STATION), attribute(0x00404037, name))


def test_a_summary_has_what_a_list_shows(steps: UpsService) -> None:
    steps.create(new_item() | made(attribute(0x0020000D, "1.2.4")), "1.2.3")
    expected = WorkitemSummary(
        number=1,
        uid="1.2.3",
        state=StepState.SCHEDULED,
        label="Read the study",
        worklist="Reading",
        priority="MEDIUM",
        start="20300102080000",
        patient_name="Demo^CT",
        patient_id="DEMO-1",
        study_instance_uid="1.2.4",
        progress="",
        progress_description="",
        performers=("Reading station 1",),
    )
    assert _one(steps) == expected


def test_progress_is_shown_and_who_does_it_becomes_who_has_done_it(steps: UpsService) -> None:
    steps.create(new_item() | made(attribute(0x00404034, _human("Doe^Jane"))), "1.2.3")
    assert _one(steps).performers == ("Doe^Jane", "Reading station 1")
    steps.change_state("1.2.3", "IN PROGRESS", MINE)
    progress = made(attribute(0x00741004, "40"), attribute(0x00741006, "Half read"))
    steps.update("1.2.3", made(attribute(0x00741002, progress)), MINE)
    assert (_one(steps).progress, _one(steps).progress_description) == ("40", "Half read")
    done = performed()
    done["00741216"]["Value"][0] |= made(attribute(0x00404035, made(attribute(0x00404009, STATION))))
    steps.update("1.2.3", done, MINE)
    assert _one(steps).performers == ("Reading station 1", "Reading station 1")


@pytest.mark.parametrize("text", ["", "reading", "demo-1", "DEMO ct", "demo^CT", "1.2.3", " the study "])
def test_a_part_of_what_is_shown_is_found_without_regard_to_case(steps: UpsService, text: str) -> None:
    steps.create(new_item(), "1.2.3")
    assert _found(steps, text) == ["1.2.3"]
    assert _found(steps, f"{text}?") == []


def test_accents_make_no_difference(steps: UpsService) -> None:
    steps.create(new_item() | made(attribute(0x00100010, "Demö^CT")), "1.2.3")
    assert _found(steps, "demo") == _found(steps, "DEMÖ") == ["1.2.3"]


def test_states_are_told_apart(steps: UpsService) -> None:
    steps.create(new_item(), "1.1")
    steps.create(new_item(), "1.2")
    steps.change_state("1.1", "IN PROGRESS", MINE)
    assert _found(steps) == ["1.2", "1.1"]
    assert _found(steps, state=StepState.IN_PROGRESS) == ["1.1"]
    assert _found(steps, state=StepState.COMPLETED) == []


def test_pages_lead_to_all_that_fits(steps: UpsService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ups_listing, "MAX_LOOKED_AT", 4)
    for number in range(1, 10):
        steps.create(new_item("ODD" if number % 2 else "EVEN"), f"1.{number}")
    pages, before = [], None
    while True:
        page = listed(steps.table, WorkitemListing(text="odd", before=before, limit=2))
        pages.append([one.uid for one in page.items])
        before = page.next
        if before is None:
            break
    assert pages == [["1.9", "1.7"], ["1.5", "1.3"], ["1.1"]]
    assert listed(steps.table, WorkitemListing(text="none")).next == 6


def test_who_was_granted_a_patient_sees_his_alone(steps: UpsService) -> None:
    steps.create(new_item("DEMO-1"), "1.1")
    steps.create(new_item("DEMO-2"), "1.2")
    with callers.under(Grant(within=((Scope(patients=frozenset({"DEMO-1"})),),))):
        assert _found(steps) == ["1.1"]


def test_no_more_are_taken_than_may_be_kept(tmp_path: Path) -> None:
    with procedures(tmp_path, max_items=2) as opened:
        for uid in ("1.1", "1.2"):
            opened.steps.create(new_item(), uid)
        with pytest.raises(RefusedOperationError, match="2 work items are kept") as refusal:
            opened.steps.create(new_item(), "1.3")
        assert refusal.value.status == 0x0213
        assert _found(opened.steps) == ["1.2", "1.1"]
        assert opened.steps.request_cancel("1.1", {}, "DESK") == 0
        opened.steps.table.forget(opened.steps.now() + 1, 0, 10)
        assert opened.steps.create(new_item(), "1.3").uid == "1.3"
