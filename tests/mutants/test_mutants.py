"""Every mutant still fits the code, names tests that are there, and is judged by what tests say of it."""

import ast
import shutil
from pathlib import Path

import pytest

from tests.mutants.__main__ import ROOT
from tests.mutants.every import CHAPTERS, EVERY
from tests.mutants.mutant import Mutant, named
from tests.mutants.page import page
from tests.mutants.tree import Tree, Verdict


@pytest.mark.parametrize("mutant", EVERY, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code(mutant: Mutant) -> None:
    text = mutant.planted(ROOT)
    assert text != (ROOT / mutant.file).read_text()
    ast.parse(text)


@pytest.mark.parametrize("mutant", EVERY, ids=lambda mutant: mutant.name)
def test_the_tests_that_kill_it_are_there(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, function = test.partition("::")
        assert (ROOT / file).is_file(), test
        assert not function or f"def {function.partition('[')[0]}(" in (ROOT / file).read_text(), test


def test_a_name_is_given_once_and_unknown_ones_are_refused() -> None:
    assert len({mutant.name for mutant in EVERY}) == len(EVERY) >= 50
    assert named(EVERY, [EVERY[1].name]) == [EVERY[1]]
    with pytest.raises(KeyError, match="no-such"):
        named(EVERY, ["no-such"])


def test_the_page_lists_them_all() -> None:
    written = (ROOT / "docs" / "mutants.md").read_text()
    assert written == page(), "run `python -m tests.mutants.page > docs/mutants.md`"


@pytest.fixture
def small(tmp_path: Path) -> Tree:
    """A project of one function and one test, in a copy of its own."""
    root = tmp_path / "project"
    for name in ("proto", "server/cotally/server", "client", "tests/mutants"):
        (root / name).mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["server", "."]\n'
                                         'addopts = ["--import-mode=importlib"]\n')
    (root / "server/cotally/server/__init__.py").touch()  # or the one of an editable install would come first
    (root / "server/cotally/server/noise.py").write_text('SCALE = 10\nNAME = "noise"\n')
    (root / "tests/test_noise.py").write_text(
        "from cotally.server.noise import SCALE\n\n\ndef test_it():\n    assert SCALE == 10\n")
    shutil.copy(Path(__file__).with_name("plugin.py"), root / "tests/mutants/plugin.py")
    return Tree(root, tmp_path / "copy")


def test_a_mutant_is_judged_by_its_tests(small: Tree) -> None:
    def judged(old: str, new: str) -> tuple[Verdict, str]:
        mutant = Mutant("m", "", "server/cotally/server/noise.py", old, new, ("tests/test_noise.py",))
        outcome = small.try_out(mutant)
        return outcome.verdict, outcome.by

    before = (small.root / "server/cotally/server/noise.py").read_text()
    assert judged("SCALE = 10", "SCALE = 9") == (Verdict.KILLED, "test_noise.py::test_it")
    assert judged("noise", "sound") == (Verdict.SURVIVED, "")
    assert judged("SCALE = 10", "SCALE = ")[0] is Verdict.BROKEN
    assert judged("SCALE = 11", "SCALE = 9")[0] is Verdict.STALE
    assert (small.root / "server/cotally/server/noise.py").read_text() == before


def test_another_copy_of_the_packages_is_noticed(small: Tree) -> None:
    """An editable install lies on the path too: should the copy lose a module, that one would be tested."""
    (small.root / "server/cotally/server/noise.py").unlink()
    (small.root / "tests/test_noise.py").write_text("import cotally.client\n\n\ndef test_it():\n    pass\n")
    assert "another tree" in small.passes(["tests/test_noise.py"], 60)


@pytest.mark.slow
def test_one_mutant_of_each_chapter_is_killed(tmp_path: Path) -> None:
    """`make mutants` tries them all."""
    tree = Tree(ROOT, tmp_path)
    for mutants in CHAPTERS.values():
        assert tree.try_out(mutants[0]).verdict is Verdict.KILLED, mutants[0].name
