"""The same engine by Spark Connect."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("pyspark", reason="pyspark is not installed: requirements/spark.txt")
pytest.importorskip("pyspark.sql.connect", reason="pyspark's Connect extra is not installed")
ROOT = Path(__file__).parents[5]


def test_connect_gives_the_same_integers(tmp_path: Path) -> None:
    script = [sys.executable, "-m", "tests.unit.server.engines.spark.connected", str(tmp_path)]
    played = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert played.returncode == 0, played.stderr[-2000:]
    assert json.loads(played.stdout.splitlines()[-1]) == {"alike": True, "rows": 4, "measured": [3, 170]}
