"""Associations are used again, and only good ones."""

import asyncio

import pytest

from archimage.errors import AssociationError
from archimage.net.blocking import Client
from archimage.net.client import ClientAssociation
from archimage.net.pool import AssociationPool
from archimage.net.proposals import for_services
from archimage.protocol.uids import VERIFICATION
from tests.net.serving import serving

pytestmark = pytest.mark.anyio

CONTEXTS = for_services(VERIFICATION)


async def test_an_association_given_back_is_lent_again() -> None:
    seen: set[ClientAssociation] = set()
    async with serving() as node, AssociationPool("CLIENT") as pool:
        for _ in range(3):
            async with pool.borrow(node, CONTEXTS) as association:
                assert await association.echo() == 0
                seen.add(association)
    assert len(seen) == 1


async def test_two_borrowers_at_a_time_get_two() -> None:
    served = serving()
    pooled = AssociationPool("CLIENT")
    async with served as node, pooled, pooled.borrow(node, CONTEXTS) as first, pooled.borrow(node, CONTEXTS) as second:
        assert first is not second


async def test_no_more_are_kept_than_the_limit() -> None:
    async with serving() as node, AssociationPool("CLIENT", max_idle=1) as pool:
        async with pool.borrow(node, CONTEXTS) as first, pool.borrow(node, CONTEXTS):
            pass
        async with pool.borrow(node, CONTEXTS) as again, pool.borrow(node, CONTEXTS) as fresh:
            assert first not in {again, fresh}


async def test_one_whose_borrower_failed_is_not_lent_again() -> None:
    async with serving() as node, AssociationPool("CLIENT") as pool:
        with pytest.raises(ZeroDivisionError):
            async with pool.borrow(node, CONTEXTS) as failed:
                raise ZeroDivisionError
        async with pool.borrow(node, CONTEXTS) as other:
            assert other is not failed


async def test_one_that_the_peer_has_ended_is_not_lent_again() -> None:
    async with AssociationPool("CLIENT") as pool:
        async with serving() as node, pool.borrow(node, CONTEXTS) as association:
            assert await association.echo() == 0
        assert not association.usable
        with pytest.raises(AssociationError, match="Connection refused"):
            async with pool.borrow(node, CONTEXTS):
                pass


async def test_an_idle_one_is_released_in_time() -> None:
    async with serving() as node, AssociationPool("CLIENT", idle_s=0) as pool:
        async with pool.borrow(node, CONTEXTS) as association:
            pass
        async with asyncio.timeout(5):
            while association.usable:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
        async with pool.borrow(node, CONTEXTS) as other:
            assert other is not association


async def test_the_blocking_client_works_beside_a_loop() -> None:
    def echo(count: int) -> list[int]:
        with Client("CLIENT") as client, client.connect(node, CONTEXTS) as association:
            return [association.echo() for _ in range(count)]

    async with serving() as node:
        assert await asyncio.to_thread(echo, 3) == [0, 0, 0]
