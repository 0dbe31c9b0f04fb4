"""A copy of the project in which mutants are planted one after the other, and tests run over each."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutants.mutant import Mutant, Stale
from tests.mutants.plugin import STRAY

TIMEOUT_S = 120
_COPIED = ("proto", "server", "client", "tests", "benchmarks", "docs", "requirements", "pyproject.toml",
           "Makefile", "README.md", "LICENSE", "hatch_build.py")
_SOURCES = ("proto", "server", "client")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Verdict(StrEnum):
    """What became of a mutant. Only `KILLED` is good."""

    KILLED = "killed"      # a test failed
    SURVIVED = "SURVIVED"  # every test passed: one is missing
    STALE = "stale"        # its text is not in the tree
    BROKEN = "broken"      # nothing was tested: the mutated tree does not load
    TIMEOUT = "timeout"    # the tests did not end


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mutant's verdict, by which test, and after how many seconds."""

    mutant: str
    verdict: Verdict
    by: str
    seconds: float


class Tree:
    """A copy of the project's files below *folder*, with what tests read beside the root linked there."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = folder / "tree"
        self.root.mkdir(parents=True)
        junk = shutil.ignore_patterns("__pycache__", ".hypothesis", "*.pyc")
        for name in _COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=junk)
            elif source.exists():
                shutil.copy2(source, self.root / name)
        if (root.parent / "shared").exists():
            (folder / "shared").symlink_to(root.parent / "shared")
        # Bytecode that is compared with its source by hash: a planted change is never overlooked.
        subprocess.run([sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash",
                        *_SOURCES], cwd=self.root, check=True)

    def try_out(self, mutant: Mutant, timeout_s: float = TIMEOUT_S) -> Outcome:
        """Plant *mutant*, run its tests until one fails, and put the text back."""
        began = time.monotonic()
        path = self.root / mutant.file
        try:
            text, original = mutant.planted(self.root), path.read_text()
        except Stale as stale:
            return Outcome(mutant.name, Verdict.STALE, str(stale), 0.0)
        path.write_text(text)
        try:
            verdict, by = self._judged(mutant.tests, timeout_s)
        finally:
            path.write_text(original)
        return Outcome(mutant.name, verdict, by, time.monotonic() - began)

    def passes(self, tests: Sequence[str], timeout_s: float) -> str:
        """Run *tests* as they are: the empty text where all pass, otherwise what failed first."""
        verdict, by = self._judged(tests, timeout_s)
        return "" if verdict is Verdict.SURVIVED else f"{verdict}: {by}"

    def _judged(self, tests: Sequence[str], timeout_s: float) -> tuple[Verdict, str]:
        """The verdict over the tree as it stands, and the test that decided."""
        command = [sys.executable, "-P", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no",
                   "-rfE", "-p", "tests.mutants.plugin", *tests]
        path = os.pathsep.join(str(self.root / name) for name in (*_SOURCES, "."))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(command, cwd=self.root, env=environment, timeout=timeout_s,
                                  capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return Verdict.TIMEOUT, f"after {timeout_s:.0f} s"
        said = done.stdout + done.stderr
        failed = _FAILED.search(said)
        if done.returncode == 0:
            return Verdict.SURVIVED, ""
        if done.returncode == 1 and failed is not None:
            return Verdict.KILLED, failed[1].removeprefix("tests/")
        reason = "modules of another tree were tested" if done.returncode == STRAY else said.strip()[-300:]
        return Verdict.BROKEN, reason
