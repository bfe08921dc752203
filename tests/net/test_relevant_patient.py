"""What is known of a patient, over our own client and server: one answer, none, and the statuses of Annex Q."""

from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import pytest

from archimage.errors import OperationFailedError
from archimage.index.sqlite import SqliteIndex
from archimage.net.admission import AdmissionPolicy
from archimage.net.client import ClientAssociation
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Registry
from archimage.net.scp import relevant_patient, verification
from archimage.net.server import DicomServer, bind
from archimage.protocol.association import AssociationSettings
from archimage.protocol.uids import RELEVANT_PATIENT_GENERAL_FIND
from archimage.services.datasets import Model, attribute, decode, encode, made, text
from archimage.services.query import QueryService
from tests.contract.index_contract import record
from tests.net.serving import associate

pytestmark = pytest.mark.anyio
_ID: Final = 0x00100020


@asynccontextmanager
async def _asking(directory: Path) -> AsyncGenerator[ClientAssociation, None]:
    with closing(SqliteIndex(directory / "index.db", durable=False)) as index, ThreadPoolExecutor(2) as executor:
        issued = [record("Q", study, 1, 1, issuer_of_patient_id=f"ISSUER{study}") for study in (2, 3)]
        index.add([record("P", 1, 1, 1, patient_name="Demo^Ärzte"), *issued])
        service = relevant_patient.service(QueryService(index), executor)
        registry = Registry(verification.service(), service)
        server = DicomServer(AssociationSettings("SERVER"), registry, AdmissionPolicy(frozenset({"SERVER"})))
        listener = bind("127.0.0.1", 0, shared=False)
        await server.listen(listener)
        node = RemoteNode("SERVER", *listener.getsockname())
        try:
            async with await associate(node, RELEVANT_PATIENT_GENERAL_FIND) as association:
                yield association
        finally:
            await server.close()


def _keys(patient: str, template: str = "9007") -> Model:
    named = made(attribute(0x00080105, "DCMR"), attribute(0x0040DB00, template))
    return made(attribute(0x00100010), attribute(_ID, patient), attribute(0x0040A504, named))


async def _found(association: ClientAssociation, keys: Model) -> Sequence[Model]:
    syntax = association.context(RELEVANT_PATIENT_GENERAL_FIND).transfer_syntax
    found = association.find(RELEVANT_PATIENT_GENERAL_FIND, encode(keys, syntax))
    return [decode(match, syntax) async for match in found]


async def test_one_patient_is_one_answer_and_nobody_is_none(tmp_path: Path) -> None:
    async with _asking(tmp_path) as association:
        (told,) = await _found(association, _keys("P"))
        assert (text(told, _ID), text(told, 0x00100010)) == ("P", "Demo^Ärzte")
        assert await _found(association, _keys("nobody")) == []


@pytest.mark.parametrize(
    ("keys", "status"),
    [(_keys("Q"), 0xC100), (_keys("P", "9000"), 0xC200), (_keys(""), 0xA900), (made(attribute(_ID, "P")), 0xA900)],
)
async def test_what_cannot_be_answered_has_the_status_of_the_standard(tmp_path: Path, keys: Model, status: int) -> None:
    async with _asking(tmp_path) as association:
        with pytest.raises(OperationFailedError) as failed:
            await _found(association, keys)
        assert failed.value.status == status
        assert len(await _found(association, _keys("P"))) == 1
