"""What is installed is what pyproject.toml and the lock files say."""

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from cotally.v1.commands import GROUP, Command

REPO = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))
COMMANDS: dict[str, str] = PROJECT["project"]["entry-points"][GROUP]
LOCKS = sorted((REPO / "requirements").glob("*.txt"))


def pins(lock: str) -> dict[str, set[str]]:
    """Versions by name; a universal lock may hold several for different Pythons."""
    found: dict[str, set[str]] = {}
    text = (REPO / "requirements" / lock).read_text()
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.M):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_loads_under_its_own_name(name: str) -> None:
    (entry,) = entry_points(group=GROUP, name=name)
    assert entry.value == COMMANDS[name]
    command = entry.load()
    assert isinstance(command, Command)
    assert command.name == name
    assert command.help
    assert "\n" not in command.help


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_locks_hold_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?:|file:|^\s*-|\s/", text.replace("    --hash=sha256:", ""), re.M)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)


def test_runtime_pins_are_the_ones_that_are_tested() -> None:
    tested = pins("dev.txt")
    assert {n: v for n, v in pins("runtime.txt").items() if not v <= tested.get(n, set())} == {}
    assert "hatchling" in pins("runtime.txt")


def test_an_analyst_installs_neither_engine_nor_sampler() -> None:
    base = {re.split(r"[<>=\[ ]", d)[0] for d in PROJECT["project"]["dependencies"]}
    assert not base & {"duckdb", "opendp", "sqlalchemy", "matplotlib", "phe"}
