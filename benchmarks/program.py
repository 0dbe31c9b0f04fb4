"""A suite's program: works through its workloads and prints a row for each measurement as it is made.

One JSON object per line, like `cotally bench`, without the suite's and the back end's names.
"""

import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from cotally.server.ops.bench import machine
from cotally.server.ops.bench.rows import Missing, Row

Setting = TypeVar("Setting")


@dataclass(frozen=True, slots=True)
class Workload(Generic[Setting]):
    """The rows that *measure* promises; it may yield more, and raises Missing where it cannot."""

    rows: tuple[str, ...]
    measure: Callable[[Setting], Iterable[Row]]


def work_through(workloads: Sequence[Workload[Setting]], setting: Setting, **asked: int) -> int:
    """Print the machine's facts and every workload's rows, on one processor; 1 where a workload broke.

    The facts name what was *asked*, a number each.

    A workload that raises Missing, or breaks, leaves its other rows missing; the others still run.
    """
    status = 0
    waiting = machine.Waiting()
    with machine.pinned() as processor:
        say(machine.facts(processor, **asked))
        for workload in workloads:
            open_rows = list(workload.rows)
            try:
                for row in workload.measure(setting):
                    say(row)
                    if row.row in open_rows:
                        open_rows.remove(row.row)
                why = "its workload did not measure it"
            except Missing as missing:
                why = str(missing)
            except Exception as error:
                traceback.print_exc()
                status, why = 1, f"its workload broke: {type(error).__name__}: {error}"
            for name in open_rows:
                say(Row(row=name, missing=why))
    waited = waiting.row("machine_waited")
    if waited is not None:
        say(waited)
    return status


def say(row: Row) -> None:
    """Print *row* now."""
    print(row.to_json(), file=sys.stdout, flush=True)
