"""`python -m tests.mutants.page > docs/mutants.md`: the page that lists every mutant and what kills it."""

from typing import Final

from tests.mutants.every import CHAPTERS
from tests.mutants.mutant import Mutant

_HEAD: Final = """\
# Mutants

A test that nobody saw fail proves little. Each line below is a privacy bug that somebody could write: a
change of a few words in one file, under which at least one of the tests beside it fails. `make mutants`
copies the tree, plants the {count} bugs one at a time, runs the named tests over each, and ends with an error
unless every mutant is killed. Before that the same tests have to pass as they are. `make test` checks that
every mutant still fits the code; a change that moves its text has to move the mutant as well.

`python -m tests.mutants NAME...` tries some, `-o json` prints one object per mutant. The verdicts: *killed*
(a test failed), *SURVIVED* (none did: a test is missing), *stale* (the text is gone), *broken* (the mutated
tree does not load, so nothing was tested), *timeout*. Only the first is good.

All {count} were seen killed, in a whole run or, where they are newer than it, by name. The list lies in
`tests/mutants`, which this page is made from.
"""


def page() -> str:
    """The whole page."""
    count = sum(map(len, CHAPTERS.values()))
    parts = [_HEAD.format(count=count)]
    for title, mutants in CHAPTERS.items():
        parts += [f"\n## {title}\n", "| Mutant | What the code then does | Killed by |", "|---|---|---|",
                  *map(_line, mutants)]
    return "\n".join(parts) + "\n"


def _line(mutant: Mutant) -> str:
    tests = ", ".join(f"`{test.removeprefix('tests/')}`" for test in mutant.tests)
    return f"| {mutant.name} | {mutant.breaks} | {tests} |".replace("\\|", "\\\\|")


if __name__ == "__main__":
    print(page(), end="")
