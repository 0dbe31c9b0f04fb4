"""A privacy bug as a change of text: planted in a copy of the tree, it has to make a test fail."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOTS = {"server": "server/cotally/server", "client": "client/cotally/client", "v1": "proto/cotally/v1"}


class Stale(ValueError):
    """The text that a mutant replaces is not in the tree exactly once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug: *old* becomes *new* in *file*, and one of *tests* fails."""

    name: str
    breaks: str  # what the code then does, in words
    file: str    # from the root of the tree
    old: str
    new: str
    tests: tuple[str, ...]  # pytest's names

    def planted(self, tree: Path) -> str:
        """The mutated text of its file; raises Stale where *old* is not there exactly once."""
        path = tree / self.file
        if not path.is_file():
            raise Stale(f"{self.name}: there is no {self.file}")
        source = path.read_text()
        found = source.count(self.old)
        if found != 1:
            raise Stale(f"{self.name}: {self.file} holds the old text {found} times")
        return source.replace(self.old, self.new)


def of(root: str, name: str, breaks: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """The mutant of a file below one of ROOTS; *tests* are named from `tests/` on."""
    return Mutant(name, breaks, f"{ROOTS[root]}/{file}", old, new, tuple(f"tests/{test}" for test in tests))


def server(name: str, breaks: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """A mutant of the server."""
    return of("server", name, breaks, file, old, new, *tests)


def client(name: str, breaks: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """A mutant of the client."""
    return of("client", name, breaks, file, old, new, *tests)


def named(mutants: Iterable[Mutant], names: Iterable[str]) -> list[Mutant]:
    """Those called by one of *names*, in their own order; all without names. KeyError for an unknown one."""
    wanted, every = set(names), list(mutants)
    unknown = wanted - {mutant.name for mutant in every}
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    return [mutant for mutant in every if not wanted or mutant.name in wanted]
