"""The committed stubs are what proto/generate.py makes of the .proto files."""

import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PYTHON = REPO / ".venv-stubs" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="no .venv-stubs; `make test` makes it")
def test_stubs_are_current() -> None:
    done = subprocess.run([PYTHON, REPO / "proto" / "generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
