"""Two processors against one, for the same call."""

from collections.abc import Callable

from cotally.server.ops.bench import machine
from cotally.server.ops.bench.rows import Missing, Row
from cotally.server.ops.bench.timing import Work, compare


def two_against_one(run: Callable[[], object], amount: int, rounds: int, name: str, unit: str) -> Row:
    """The row that compares *run*, which does *amount* units, on two processors with itself on one.

    The library takes as many threads as it may use processors, so processors are what is lent.
    Raises Missing where there is one only.
    """

    def lent(processors: int) -> Callable[[], object]:
        def on_them() -> None:
            with machine.spread(processors):
                run()
        return on_them

    if machine.allowed() < 2:
        raise Missing("there is one processor only")
    return compare(Work(lent(2), amount), Work(lent(1), amount), rounds).row(name, "one thread", unit)
