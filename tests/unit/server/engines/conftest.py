"""One PostgreSQL for all tests here, started when the first needs it."""

from collections.abc import Iterator

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A running server; tests that need one are skipped, with the reason, where none can be started."""
    try:
        with postgres.serving() as running:
            yield running
    except postgres.Absent as reason:
        pytest.skip(str(reason))
