"""The three source roots share one namespace and never overlap; house rules on files hold."""

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
ROOTS = {"proto": "v1", "server": "server", "client": "client"}
SOURCES = sorted(p for root in ROOTS for p in (REPO / root / "cotally").rglob("*.py")
                 if "_pb2" not in p.name)
VAGUE = {"utils", "util", "common", "helpers", "misc", "manager"}


def relative(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


@pytest.mark.parametrize("root, package", ROOTS.items())
def test_each_root_holds_exactly_its_own_package(root: str, package: str) -> None:
    inside = {p.name for p in (REPO / root / "cotally").iterdir() if p.name != "__pycache__"}
    assert inside == {package}, f"{root}/cotally must hold only {package}/ (and no __init__.py)"


def test_every_module_opens_with_a_docstring() -> None:
    bare = [relative(p) for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert bare == []


def test_packages_of_the_server_hold_no_code() -> None:
    busy = [relative(p) for p in SOURCES if p.name == "__init__.py" and "client" not in p.parts
            and len(ast.parse(p.read_text("utf-8")).body) > 1]
    assert busy == []


def test_modules_are_small_and_named_for_a_noun() -> None:
    long = [relative(p) for p in SOURCES if len(p.read_text("utf-8").splitlines()) > 450]
    vague = [relative(p) for p in SOURCES if p.stem in VAGUE or p.stem.endswith("_impl")]
    assert (long, vague) == ([], [])
