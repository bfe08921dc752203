"""Tests of net run as coroutines on asyncio's own loop, and on uvloop, which the server uses."""

import pytest


@pytest.fixture(
    params=[("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"]
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Which loop to run on."""
    backend: tuple[str, dict[str, bool]] = request.param
    return backend
