"""One small federation for all tests of the audit log."""

import pytest

from tests.fixtures.logs import World


@pytest.fixture(scope="session")
def world() -> World:
    return World()
