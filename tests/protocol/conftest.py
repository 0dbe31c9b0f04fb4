"""Every protocol test plays in its own federation."""

from pathlib import Path

import pytest

from tests.protocol.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Three departments, three key holders of which two decrypt, an analyst."""
    return Lab(tmp_path)
