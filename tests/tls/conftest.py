"""Certificates for the tests of this directory."""

import pytest

from tests.tls.keys import Keys, make_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A directory of certificates."""
    return make_keys(tmp_path_factory.mktemp("keys"))
