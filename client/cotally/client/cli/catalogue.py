"""Which commands there are, without importing them: the client's own, and other packages' entry points."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from cotally.v1.commands import GROUP, Command
from cotally.v1.refusals import Misconfigured

OWN: Final[Mapping[str, str]] = {
    "query": "query", "ls": "holdings", "describe": "describe", "budget": "budget",
    "release": "release", "audit": "audit", "version": "version",
}
# What an analyst's installation lacks, by the command that needs it.
EXTRAS: Final[Mapping[str, str]] = {
    "node": "node", "coordinator": "coordinator", "keyholder": "keyholder", "federation": "coordinator",
}
EVERYTHING: Final = "all"


def names() -> list[str]:
    """Every command's name, sorted."""
    return sorted({*OWN, *(entry.name for entry in entry_points(group=GROUP))})


def load(name: str) -> Command | None:
    """The command called *name*, imported now; None if there is none. Misconfigured if it cannot load."""
    if name in OWN:
        return _checked(name, import_module(f"{__package__}.{OWN[name]}").command)
    for entry in entry_points(group=GROUP, name=name):
        return _checked(name, _load(entry))
    return None


def needs_more(name: str, error: ImportError) -> Misconfigured:
    """The sentence for command *name*, which could not import something."""
    missing = (error.name or "a module").partition(".")[0]
    if missing == "cotally":
        return Misconfigured(f"`cotally {name}` is not in this installation: there is no {error.name}")
    extra = EXTRAS.get(name, EVERYTHING)
    return Misconfigured(f"`cotally {name}` needs {missing}, which is not installed: "
                         f"pip install 'cotally[{extra}]'")


def _load(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except ImportError as error:
        raise needs_more(entry.name, error) from error


def _checked(name: str, command: object) -> Command:
    if not isinstance(command, Command):
        raise Misconfigured(f"the package that announces `cotally {name}` provides no command there")
    return command
