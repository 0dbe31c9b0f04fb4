"""Every protocol test plays in its own federation, in memory where the machine offers it."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.protocol.lab import Lab

MEMORY = Path("/dev/shm")  # parties sync every write; a disk would be most of a test's time


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that is removed afterwards."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def lab(folder: Path) -> Lab:
    """Three departments, three key holders of which two decrypt, an analyst."""
    return Lab(folder)
