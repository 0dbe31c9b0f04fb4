"""A verified release on standard output: table, JSON object or CSV."""

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .digits import NOTHING, decimals_for, number
from .output import CSV, JSON, cell, new_table, print_json, print_lines, print_rich, stdout_console

if TYPE_CHECKING:
    from rich.table import Table

    from ..decode.estimate import Estimate
    from ..release import Release

_SUFFIXES: Final = ("", "_se", "_low", "_high", "_flag")
_FLAGS: Final = {"unstable": "the noise may swamp the number of rows, so there is no interval"}
_WHOLE: Final = "all"


def print_release(release: "Release", output: str) -> None:
    """Print *release*; the table is followed by what the numbers rest on."""
    if output == JSON:
        print_json(release.to_dict())
    elif output == CSV:
        _print_csv(release)
    else:
        _print_table(release)
        print_lines(_foot(release))


def _print_csv(release: "Release") -> None:
    """Keys, then a, a_se, a_low, a_high, a_flag per alias; what is missing is empty."""
    rows = release.to_dict()["rows"]
    names = [*release.keys, *(alias + suffix for alias in release.statistics for suffix in _SUFFIXES)]
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_table(release: "Release") -> None:
    """Print keys, and per alias value ± half-width and interval; narrow windows go without intervals."""
    from rich.measure import Measurement
    console = stdout_console()
    limitless = console.options.update(max_width=10_000)
    for intervals in (True, False):
        table = _table(release, intervals)
        needed = Measurement.get(console, limitless, table).maximum
        if needed <= console.width:
            break
    else:
        console = stdout_console(needed)  # the terminal wraps; no number is cut
    print_rich(console, table)
    if not intervals:
        print_lines(["(this window is too narrow for the intervals' ends; -o json has them)"])


def _table(release: "Release", intervals: bool) -> "Table":
    table = new_table(left=release.keys)
    columns: list[list[str]] = []
    for at, alias in enumerate(release.statistics):
        estimates = [row.estimates[at] for row in release.rows]
        table.add_column(alias, justify="right", no_wrap=True)
        table.add_column("±", justify="right", no_wrap=True, style="dim")
        columns += _value_and_reach(estimates)
        if intervals:
            table.add_column(f"{release.confidence * 100:g} % interval", no_wrap=True, style="dim")
            columns.append(_intervals(estimates))
        if any(estimate.flag for estimate in estimates):
            table.add_column("flag", no_wrap=True, style="yellow")
            columns.append([estimate.flag or "" for estimate in estimates])
    for row, *cells in zip(release.rows, *columns, strict=True):
        table.add_row(*(cell(text) for text in (*row.keys, *cells)))
    return table


def reach(estimate: "Estimate") -> float | None:
    """The farther end's distance: value ± reach covers the interval, which of a mean may be lopsided."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    return max(estimate.high - estimate.value, estimate.value - estimate.low)


def _value_and_reach(estimates: Sequence["Estimate"]) -> list[list[str]]:
    places = decimals_for(map(reach, estimates))
    return [[number(estimate.value, places) for estimate in estimates],
            [number(reach(estimate), places) for estimate in estimates]]


def _intervals(estimates: Sequence["Estimate"]) -> list[str]:
    """Both ends, each aligned on the right among its own."""
    places = decimals_for(map(reach, estimates))
    lows = [number(estimate.low, places) for estimate in estimates]
    highs = [number(estimate.high, places) for estimate in estimates]
    low_width, high_width = max(map(len, lows)), max(map(len, highs))
    return [NOTHING if estimate.low is None else f"{low:>{low_width}} … {high:>{high_width}}"
            for estimate, low, high in zip(estimates, lows, highs, strict=True)]


def _foot(release: "Release") -> list[str]:
    flags = {estimate.flag for row in release.rows for estimate in row.estimates if estimate.flag}
    lines = ["", *(f"{flag}: {_FLAGS.get(flag, 'see the guide')}" for flag in sorted(flags))]
    rho = release.privacy["rho"]
    return [*lines, release.caption, f"price: rho {rho} of {release.privacy['population']}; "
            f"{len(release.checks)} checks passed", f"release {release.id}"]
