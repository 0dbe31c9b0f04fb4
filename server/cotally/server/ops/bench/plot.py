"""A chart of one run: each row's ratio or seconds with its spread, and the bar that it must reach."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cotally.v1.refusals import Misconfigured

from .bars import bars
from .rows import Row, Run
from .tables import described

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GOOD: Final = "#2a6f97"
_SHORT: Final = "#bc4749"
_BAR: Final = "#e07a1f"
_INK: Final = "#30343b"

Quantity = Literal["ratio", "seconds"]
_TITLES: Final[dict[Quantity, str]] = {
    "ratio": "times as fast as the peer", "seconds": "seconds"}


def check() -> None:
    """Raise Misconfigured where matplotlib is missing: before minutes of measuring, not after."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise Misconfigured("--plot needs matplotlib: pip install cotally[plot]") from None


def write(run: Run, path: Path) -> None:
    """Write the chart of *run* to *path*, a PNG; a run without ratios and seconds gives an empty chart."""
    check()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [(quantity, chosen) for quantity in _TITLES if (chosen := _rows(run, quantity))]
    heights = [len(chosen) + 1.5 for _, chosen in panels] or [1.0]
    figure = Figure(figsize=(9.0, 1.4 + 0.34 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(max(len(panels), 1), 1, squeeze=False, height_ratios=heights)
    for ax, (quantity, chosen) in zip(grid[:, 0], panels, strict=False):
        _panel(ax, run, quantity, chosen)
    figure.suptitle(f"cotally bench {run.suite}, back end {run.backend}", x=0.01, ha="left",
                    fontweight="bold", color=_INK)
    figure.supxlabel("\n".join(described(run)[:2]), x=0.01, ha="left", fontsize=6, color="#6b7280")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=150)


def _rows(run: Run, quantity: Quantity) -> list[Row]:
    """The rows with a positive *quantity*, top to bottom; what has a ratio is not shown in seconds."""
    shown = [row for row in run.rows if (getattr(row, quantity) or 0) > 0]
    return shown if quantity == "ratio" else [row for row in shown if row.ratio is None]


def _panel(ax: "Axes", run: Run, quantity: Quantity, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        value = float(getattr(row, quantity))
        limits = [bar for bar in bars(row.row, run) if bar.quantity == quantity]
        colour = _GOOD if all(bar.reached(row) for bar in limits) else _SHORT
        low, high = row.low if row.low else value, row.high if row.high else value
        reach = [[max(value - low, 0)], [max(high - value, 0)]]
        ax.errorbar([value], [place], xerr=reach, fmt="o", color=colour, ecolor=_INK, elinewidth=1.0,
                    capsize=2.5, markersize=5, zorder=3)
        ax.annotate(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}", (high, place), (5, -3),
                    textcoords="offset points", fontsize=7, color=_INK)
        for bar in limits:
            ax.plot([bar.limit], [place], "|", color=_BAR, markersize=13, markeredgewidth=2.0, zorder=2)
    ax.set_yticks(range(len(rows)), [row.row for row in rows], fontsize=7.5)
    ax.set_ylim(len(rows) - 0.4, -0.6)  # the first row on top
    ax.set_xscale("log")
    ax.set_xlabel(f"{_TITLES[quantity]} (log scale; whiskers: least and greatest round; orange: bar)",
                  fontsize=7.5)
    ax.margins(x=0.12)
    ax.grid(axis="x", alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if quantity == "ratio":
        ax.axvline(1, color="#9ca3af", linewidth=0.8, linestyle=":")
