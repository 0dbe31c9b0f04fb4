"""One federation for the whole session; what a test breaks in it is mended before the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.holdings import write_holdings
from tests.system.running import Running, running


@pytest.fixture(scope="session")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec of the common federation, beside its data."""
    return write_holdings(tmp_path_factory.mktemp("system") / "spec")


@pytest.fixture(scope="session")
def shared_federation(spec_file: Path) -> Iterator[Running]:
    """Four departments (three are enough), 2 of 3 key holders, running."""
    with running(spec_file, spec_file.parents[1] / "federation") as federation:
        yield federation


@pytest.fixture
def federation(shared_federation: Running) -> Iterator[Running]:
    """The common federation, whole; a test may pause, kill and restart its roles."""
    yield shared_federation
    shared_federation.heal()
