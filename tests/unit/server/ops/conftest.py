"""One PostgreSQL for the operators' commands, and a federation whose members have folders and keys."""

from functools import partial
from pathlib import Path

import pytest

from cotally.server.crypto import ceremony
from tests.crash.founding import Founded, found
from tests.unit.server.engines.conftest import server as server


@pytest.fixture
def founded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Founded:
    """Three departments, on a key of 1024 bits."""
    monkeypatch.setattr(ceremony, "check_public", partial(ceremony.check_public, minimum_bits=1024))
    return found(tmp_path / "founded", ("east", "north", "south"))
