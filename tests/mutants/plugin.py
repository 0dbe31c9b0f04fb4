"""A pytest plugin for runs over a copy of the tree: fast to fail, and sure of which tree it tests.

It fails the session where a module of the project was not imported from its root folder: otherwise a mutant
could seem killed, or survive, because another copy of the packages was under test. Hypothesis searches in
the same order each time and does not shrink what it finds.
"""

import sys
from pathlib import Path

import pytest
from hypothesis import Phase, settings

STRAY = 70  # the exit status, which pytest itself never has

settings.register_profile("mutants", derandomize=True, database=None, deadline=None,
                          phases=(Phase.explicit, Phase.generate))
settings.load_profile("mutants")


def strays(root: Path) -> list[str]:
    """Files of imported project modules that lie outside *root*."""
    modules = [module for name, module in sorted(sys.modules.items())
               if name.partition(".")[0] in ("cotally", "tests", "benchmarks")]
    files = [Path(file).resolve() for module in modules if (file := getattr(module, "__file__", None))]
    return [str(file) for file in files if not file.is_relative_to(root)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look at what the tests imported."""
    found = strays(session.config.rootpath.resolve())
    if found:
        print(f"\nnot of this tree: {', '.join(found[:3])}", file=sys.stderr)
        session.exitstatus = STRAY
