"""One Spark for all tests here, in this process; they are slow, and skipped where pyspark is absent."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A local session as a node opens it."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: requirements/spark.txt")
    from cotally.server.engines.spark import session
    folder: Path = tmp_path_factory.mktemp("spark")
    return session.connect("spark://local", folder)
