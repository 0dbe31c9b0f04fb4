"""A verified release on standard output: table, JSON object or CSV."""

import csv
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from .digits import NOTHING, decimals_for, number
from .output import (
    CSV,
    JSON,
    cell,
    new_table,
    print_json,
    print_lines,
    print_rich,
    print_table,
    stdout_console,
)

if TYPE_CHECKING:
    from rich.table import Table

    from ..decode.estimate import Estimate
    from ..release import Release

_FLAGS: Final = {
    "unstable": "the noise may swamp what is divided by, so there is no interval",
    "negative": "noise made the variance negative, so it has no root; the interval holds",
    "unreliable": "the interval is wide against the value, by the table's own measure",
    "suppressed": "the interval is so wide against the value that the table does not show it",
}
_WHOLE: Final = "all"


def print_release(release: "Release", output: str) -> None:
    """Print *release*; the table is followed by what the numbers rest on."""
    if output == JSON:
        print_json(release.to_dict())
    elif output == CSV:
        _print_csv(release)
    else:
        from ..shapes import is_list  # late: what it needs takes its time
        _print_table(release)
        for at, statistic in enumerate(release.query.statistics):
            if is_list(statistic):
                print_lines(["", statistic.alias])
                _print_long(release, at)
        print_lines(_foot(release))


def _print_csv(release: "Release") -> None:
    """Keys, then a, a_se, a_low, a_high, a_flag per alias; what is missing is empty, lists are JSON."""
    rows = [{name: json.dumps(value, allow_nan=False) if isinstance(value, list | dict) else value
             for name, value in row.items()} for row in release.to_dict()["rows"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_long(release: "Release", at: int) -> None:
    """Print the numbers of one statistic, a line each: keys, label, value ± half-width, interval."""
    from cotally.v1.query_pb2 import STATISTIC_KIND_SUGGEST_BOUNDS

    from ..decode.histogram import suggested
    cells = [(row.keys, cell) for row in release.rows for cell in row.estimates[at].cells]
    labels = [name for name, _ in cells[0][1].label] if cells else []
    text = "term" in labels
    table = new_table(left=(*release.keys, *(labels if text else ())), right=() if text else labels)
    for name in ("value", "±"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"{release.confidence * 100:g} % interval", no_wrap=True, style="dim")
    table.add_column("flag", no_wrap=True, style="yellow")
    estimates = [cell.estimate for _, cell in cells]
    values, reaches = _value_and_reach(estimates)
    for (keys, each), value, reach_, ends in zip(cells, values, reaches, _intervals(estimates), strict=True):
        shown = (name if isinstance(name, str) else f"{name:,.10g}" for _, name in each.label)
        table.add_row(
            *(cell(word) for word in (*keys, *shown, value, reach_, ends, each.estimate.flag or ""))
        )
    print_table(table)
    if len(release.rows) == 1 and release.query.statistics[at].kind == STATISTIC_KIND_SUGGEST_BOUNDS:
        found = suggested(release.rows[0].estimates[at], release.confidence)
        if found:
            print_lines([f"surely somebody lies between {found[0]:,.10g} and {found[1]:,.10g}"])


def _print_table(release: "Release") -> None:
    """Print keys, and per alias value ± half-width and interval; narrow windows go without intervals."""
    from rich.measure import Measurement

    from ..shapes import is_list
    if not release.keys and all(map(is_list, release.query.statistics)):
        return
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
    from ..shapes import is_list
    table = new_table(left=release.keys)
    columns: list[list[str]] = []
    for at, alias in enumerate(release.statistics):
        if is_list(release.query.statistics[at]):
            continue
        estimates = [row.estimates[at] for row in release.rows]
        table.add_column(alias, justify="right", no_wrap=True)
        table.add_column("±", justify="right", no_wrap=True, style="dim")
        columns += _value_and_reach(estimates)
        if intervals:
            table.add_column(f"{release.confidence * 100:g} % interval", no_wrap=True, style="dim")
            columns.append(_intervals(estimates))
        if any(estimate.adjusted is not None for estimate in estimates):
            table.add_column("adjusted", justify="right", no_wrap=True, style="dim")
            places = decimals_for(map(reach, estimates))
            columns.append([number(estimate.adjusted, places) for estimate in estimates])
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
    every = [each for row in release.rows for estimate in row.estimates
             for each in (estimate, *(cell.estimate for cell in estimate.cells))]
    flags = {each.flag for each in every if each.flag}
    lines = ["", *(f"{flag}: {_FLAGS.get(flag, 'see the guide')}" for flag in sorted(flags))]
    privacy = release.privacy
    price = f"epsilon {privacy['epsilon']:.12g}" if privacy["rho"] is None else f"rho {privacy['rho']}"
    return [*lines, release.caption, f"price: {price} of {privacy['population']}; "
            f"{len(release.checks)} checks passed", f"release {release.id}"]
