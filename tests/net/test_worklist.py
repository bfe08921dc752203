"""The worklist over our own client and server: keys, sets, limits and what is not told."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from archimage.errors import OperationFailedError
from archimage.index.sqlite import SqliteIndex
from archimage.index.worklist import WorklistTable
from archimage.model.worklist import StepState
from archimage.net.admission import AdmissionPolicy
from archimage.net.client import ClientAssociation, connect
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Registry
from archimage.net.proposals import for_services
from archimage.net.scp import worklist as worklist_scp
from archimage.net.scp.worklist import WorklistAnswers
from archimage.net.server import DicomServer, bind
from archimage.ports.meter import Meter
from archimage.protocol.association import AssociationSettings
from archimage.protocol.uids import MODALITY_WORKLIST_FIND
from archimage.services.datasets import Attribute, Model, attribute, decode, encode, items, made, text
from archimage.services.worklist import WorklistFilter, WorklistService
from tests.scheduled import order, step

pytestmark = pytest.mark.anyio
_NOON: Final = 1_796_119_200.0
"""On 2026-12-01, wherever this is."""
_ACCESSION: Final = 0x00080050
_STEPS: Final = 0x00400100
_ANSWERS: Final = WorklistAnswers(1_000, own_station=False, meter=Meter())


@pytest.fixture
def worklist(tmp_path: Path) -> Iterator[WorklistService]:
    """A worklist of three steps: of CT1, of MR1 and MR2, and of CT1 the day after."""
    with closing(SqliteIndex(tmp_path / "index.db")) as index:
        kept = WorklistService(WorklistTable(index), now=lambda: _NOON)
        codes = made(attribute(0x00080100, "70450"), attribute(0x00080102, "C4"), attribute(0x00080104, "CT head"))
        first = {**order("A", "DEMO-1", "Müller^Jörg=山田^太郎"), **made(attribute(0x00321064, codes))}
        kept.put(first, source="api")
        kept.put(
            order("B", "DEMO-2", "Schmidt^Anna", step(station="MR1\\MR2", modality="MR", hour="1000")), source="api"
        )
        kept.put(order("C", "DEMO-3", "Demo^Carla", step(day="20261202", hour="0700")), source="api")
        yield kept


@asynccontextmanager
async def _asking(
    worklist: WorklistService, answers: WorklistAnswers = _ANSWERS
) -> AsyncGenerator[ClientAssociation, None]:
    with ThreadPoolExecutor(4) as executor:
        registry = Registry(worklist_scp.service(worklist, answers, executor))
        server = DicomServer(AssociationSettings("SERVER"), registry, AdmissionPolicy(frozenset({"SERVER"})))
        listener = bind("127.0.0.1", 0, shared=False)
        await server.listen(listener)
        node = RemoteNode("SERVER", *listener.getsockname())
        contexts = for_services(MODALITY_WORKLIST_FIND)
        try:
            async with await connect(node, calling_ae_title="MR2", contexts=contexts) as association:
                yield association
        finally:
            await server.close()


async def _found(association: ClientAssociation, keys: Model) -> Sequence[Model]:
    syntax = association.context(MODALITY_WORKLIST_FIND).transfer_syntax
    found = association.find(MODALITY_WORKLIST_FIND, encode(keys, syntax))
    return [decode(match, syntax) async for match in found]


def _keys(*top: tuple[str, Attribute], inner: Model | None = None) -> Model:
    return made(attribute(_ACCESSION), *top, attribute(_STEPS, inner or {}))


def _accessions(found: Sequence[Model]) -> Sequence[str]:
    return [text(model, _ACCESSION) for model in found]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (_keys(), "ABC"),
        (_keys(attribute(0x00100010, "müller*")), "A"),
        (_keys(attribute(0x00100010, "MUELLER^JOERG")), "A"),
        (_keys(attribute(0x00100010, "山田*")), "A"),
        (_keys(attribute(0x00100020, "DEMO-?")), "ABC"),
        (_keys(attribute(0x00100020, "DEMO-2")), "B"),
        (_keys(attribute(0x00080090, "demo^referrer")), "ABC"),
        (_keys(attribute(0x00100040, "M")), ""),
        (_keys(inner=made(attribute(0x00400001, "MR2"))), "B"),
        (_keys(inner=made(attribute(0x00400002, "20261202"))), "C"),
        (_keys(inner=made(attribute(0x00400002, "20261201-20261202"), attribute(0x00400003, "0800-1030"))), "AB"),
        (_keys(inner=made(attribute(0x00080060, "MR"), attribute(0x00400001, "CT1"))), ""),
        (_keys(inner=made(attribute(0x00400006, "DEMO*"))), "ABC"),
        (_keys(attribute(0x00321064, made(attribute(0x00080100, "70450")))), "A"),
        (_keys(attribute(0x00321064, made(attribute(0x00080100, "99999")))), ""),
    ],
)
async def test_keys_are_matched_wherever_they_stand(worklist: WorklistService, keys: Model, expected: str) -> None:
    async with _asking(worklist) as association:
        assert _accessions(await _found(association, keys)) == list(expected)


async def test_what_is_asked_for_is_told_and_nothing_else(worklist: WorklistService) -> None:
    asked = made(
        attribute(0x00100010, "Müller*"),
        attribute(0x00101030),
        attribute(0x00321064, {}),
        attribute(_STEPS, made(attribute(0x00080060), attribute(0x00400001), attribute(0x00400020))),
    )
    async with _asking(worklist) as association:
        (found,) = await _found(association, asked)
    assert text(found, 0x00100010) == "Müller^Jörg=山田^太郎"
    assert found.keys() == asked.keys()
    assert found["00101030"] == {"vr": "DS"}
    assert text(items(found, 0x00321064)[0], 0x00080104) == "CT head"
    (at,) = items(found, _STEPS)
    assert [text(at, tag) for tag in (0x00080060, 0x00400001, 0x00400020)] == ["CT", "CT1", "SCHEDULED"]
    assert len(at) == 3


async def test_a_sequence_that_is_asked_for_without_keys_is_told_whole(worklist: WorklistService) -> None:
    async with _asking(worklist) as association:
        (found,) = await _found(association, made(attribute(0x00100020, "DEMO-3"), attribute(_STEPS)))
    (at,) = items(found, _STEPS)
    (kept,) = items(next(iter(worklist.list(WorklistFilter(text="DEMO-3"))[0])).model, _STEPS)
    assert at == kept


async def test_what_is_over_is_not_told(worklist: WorklistService) -> None:
    for item, state in zip(
        worklist.list()[0], (StepState.COMPLETED, StepState.STARTED, StepState.ARRIVED), strict=True
    ):
        worklist.set_state(item.key, state)
    async with _asking(worklist) as association:
        found = await _found(association, _keys(inner=made(attribute(0x00400020))))
    assert [(text(one, _ACCESSION), text(items(one, _STEPS)[0], 0x00400020)) for one in found] == [
        ("A", "ARRIVED"),
        ("B", "STARTED"),
    ]


async def test_a_modality_that_names_no_station_is_told_of_its_own_by_setting(worklist: WorklistService) -> None:
    async with _asking(worklist, replace(_ANSWERS, own_station=True)) as association:
        assert _accessions(await _found(association, _keys())) == ["B"]
        assert _accessions(await _found(association, made(attribute(_ACCESSION)))) == ["B"]
        assert _accessions(await _found(association, _keys(inner=made(attribute(0x00400001, "CT1"))))) == ["A", "C"]


async def test_there_is_an_end_to_the_matches(worklist: WorklistService) -> None:
    async with _asking(worklist, replace(_ANSWERS, max_results=2)) as association:
        found: list[bytes] = []
        with pytest.raises(OperationFailedError) as failure:  # noqa: PT012 - what comes before it counts
            async for match in association.find(MODALITY_WORKLIST_FIND, b""):
                found.append(match)  # noqa: PERF401 - the same
    assert (len(found), failure.value.status) == (2, 0xA700)


async def test_what_cannot_be_asked_is_refused_and_the_association_goes_on(worklist: WorklistService) -> None:
    async with _asking(worklist) as association:
        for wrong in (_keys(inner=made(attribute(0x00400002, "today"))), _keys(attribute(0x00100020, "*?" * 40))):
            with pytest.raises(OperationFailedError) as failure:
                await _found(association, wrong)
            assert failure.value.status == 0xA900
        assert len(await _found(association, _keys())) == 3


async def test_a_query_that_is_left_early_is_cancelled(worklist: WorklistService) -> None:
    for number in range(300):
        worklist.put(order(f"N{number}"), source="api")
    async with _asking(worklist) as association:
        async with aclosing(association.find(MODALITY_WORKLIST_FIND, b"")) as found:
            await anext(found)
        assert len(await _found(association, _keys(attribute(0x00100020, "DEMO-2")))) == 1
