"""A run's rows for people: aligned text for a terminal, or a table for a page."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from .bars import Bar, bars
from .rows import MACHINE, Row, Run

_REACHED: Final = {True: "✓", False: "✗"}


def text(run: Run) -> str:
    """The rows of *run*, one per line: name, value, spread, bar, and what lies behind the ratio."""
    cells = [(row.row, value(row), spread(row), bar(row, run), behind(row)) for row in run.rows
             if row.row != MACHINE]
    widths = [max((len(line[column]) for line in cells), default=0) for column in range(4)]
    lines = ["  ".join([*map(str.ljust, line, widths), line[4]]).rstrip() for line in cells]
    return "\n".join([*described(run), *lines])


def markdown(runs: Sequence[Run]) -> str:
    """One table of all runs' rows, a column of values and one of bars per run; machine facts above it."""
    header = ["row", *(cell for run in runs for cell in (run.backend, "bar")), "behind it"]
    lines = [" | ".join(header), " | ".join(["---"] * len(header))]
    for name in dict.fromkeys(row.row for run in runs for row in run.rows if row.row != MACHINE):
        cells, last = [f"`{name}`"], ""
        for run in runs:
            row = run.row(name)
            shown = " ".join(filter(None, [f"**{value(row)}**", _in_brackets(spread(row))])) if row else ""
            cells += [shown, bar(row, run) if row else ""]
            last = last or (behind(row) if row else "")
        lines.append(" | ".join([*cells, last]))
    facts = dict.fromkeys(line for run in runs for line in described(run))
    return "\n".join([*(f"{line}  " for line in facts), "", *(f"| {line} |" for line in lines)])


def described(run: Run) -> list[str]:
    """What the machine was, in a few lines; empty if the run does not say."""
    row = run.row(MACHINE)
    if row is None or row.facts is None:
        return []
    facts = row.facts
    versions = ", ".join(f"{name} {version}" for name, version in facts.get("versions", {}).items())
    held = f", held to number {facts['pinned']}" if "pinned" in facts else ""
    return [f"{facts.get('processor')}, {facts.get('processors')} processors{held}; "
            f"load {facts.get('load')}; {facts.get('date')}",
            f"{facts.get('system')}, Python {facts.get('python')}; {versions}",
            f"{facts.get('arithmetic')}",
            ", ".join(f"{name} {value:,}" for name, value in run.setting.items())]


def value(row: Row) -> str:
    """The value with its unit."""
    if row.missing is not None:
        return f"missing: {row.missing}"
    shown = [
        _said(row.ratio, lambda x: f"{_digits(x)} x"),
        _said(row.seconds, lambda x: f"{x:.3f} s" if x >= 0.01 else f"{1e3 * x:.3g} ms"),
        _said(row.mebibytes, lambda x: f"{x:.3f} MiB" if x < 10 else f"{x:.1f} MiB"),
        _said(row.share, lambda x: f"{100 * x:.0f} %"),
        _said(row.count, lambda x: f"{x:,.0f}" if x >= 1e4 else f"{x:.3g}"),
    ]
    return ", ".join(filter(None, shown))


def spread(row: Row) -> str:
    """The least and the greatest round."""
    if row.low is None or row.high is None:
        return ""
    return f"{_digits(row.low)} to {_digits(row.high)}"


def bar(row: Row, run: Run) -> str:
    """The row's bars and whether they are reached."""
    return ", ".join(f"{_limit(limit)} {_REACHED[limit.reached(row)]}" for limit in bars(row.row, run))


def behind(row: Row) -> str:
    """Both rates, and for a ratio below 1 how many times as long ours takes; or a warning."""
    if row.facts is not None and "warning" in row.facts:
        return str(row.facts["warning"])
    if row.ratio is None:
        return ""
    slower = [f"{1 / row.ratio:.2f} times as long as {row.peer or 'the peer'}"] if 0 < row.ratio < 1 else []
    if row.rate is None or row.peer_rate is None:
        return "; ".join(slower)
    rates = f"{_digits(row.rate)} {row.unit}/s, {row.peer} {_digits(row.peer_rate)}"
    return "; ".join([rates, *slower])


def _limit(limit: Bar) -> str:
    if limit.quantity == "ratio":
        return f">= {_digits(limit.limit)}"
    return f"<= {limit.limit:g} {'s' if limit.quantity == 'seconds' else 'MiB'}"


def _digits(x: float) -> str:
    """Three digits that count, or all of the integer part."""
    if abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.3g}"


def _in_brackets(inner: str) -> str:
    return f"({inner})" if inner else ""


def _said(x: float | None, show: Callable[[float], str]) -> str:
    return "" if x is None else show(x)


def jsonl(run: Run) -> Iterable[str]:
    """The rows as they are printed for programs."""
    return (row.to_json(suite=run.suite, backend=run.backend) for row in run.rows)
