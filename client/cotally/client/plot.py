"""A chart of one statistic with its error bars."""

from collections.abc import Callable
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from cotally.v1.query_pb2 import StatisticKind
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .decode.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .release import Release

_COLOURS: Final = ("#2a6f97", "#e07a1f", "#4c956c", "#9b5de5", "#bc4749", "#577590", "#c9a227", "#6d597a")
_INK: Final = "#30343b"
_LONG: Final = 6    # characters from which labels of many groups are turned
_HUES: Final = len(_COLOURS)
_LETTERS: Final = 11  # of the caption's size in an inch of figure

Mark = Callable[["Axes", list[float], list[float], float, str, str], None]


def draw(release: "Release", ax: "Axes | None", statistic: str | None) -> "Axes":
    """Return Axes with *statistic* of *release*: bars for counts and sums, points for means.

    The first key lies along the axis; the other keys, if few, are colours. Groups without an interval are
    marked by a cross. Refuses an unknown alias; Misconfigured where matplotlib is missing.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise Misconfigured("plot() needs matplotlib: pip install cotally[plot]") from None
    at = _position(release, statistic)
    if ax is None:
        size = (min(14.0, 4.8 + 0.28 * len(release.rows)), 4.4)
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    labels, series = _series(release, at)
    width = 0.8 / max(1, len(series))
    mean = release.query.statistics[at].kind == StatisticKind.STATISTIC_KIND_MEAN
    mark = _points if mean else _bars
    for number, (name, estimates) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * width
        places = [place + shift for place in range(len(estimates))]
        _draw_series(ax, mark, places, estimates, width, _COLOURS[number % _HUES], name)
    _dress(ax, release, at, labels, tuple(series))
    return ax


def _position(release: "Release", statistic: str | None) -> int:
    if statistic is None:
        return 0
    if statistic not in release.statistics:
        known = ", ".join(release.statistics)
        raise Refused(Refusal.UNKNOWN_NAME, f"the release has no statistic {statistic!r}; it has {known}")
    return release.statistics.index(statistic)


def _series(release: "Release", at: int) -> tuple[list[str], dict[str, list[Estimate]]]:
    """Return the labels along the axis, and per colour the estimates at those labels."""
    cells = {row.keys: row.estimates[at] for row in release.rows}
    rest = dict.fromkeys(" / ".join(keys[1:]) for keys in cells)
    if len(rest) > _HUES or len(release.keys) < 2:
        return [" / ".join(keys) or "all" for keys in cells], {"": list(cells.values())}
    series: dict[str, list[Estimate]] = {name: [] for name in rest}
    for keys, estimate in cells.items():
        series[" / ".join(keys[1:])].append(estimate)
    return list(dict.fromkeys(keys[0] for keys in cells)), series


def _bars(ax: "Axes", x: list[float], y: list[float], width: float, colour: str, name: str) -> None:
    ax.bar(x, y, width=0.92 * width, color=colour, alpha=0.55, label=name)


def _points(ax: "Axes", x: list[float], y: list[float], width: float, colour: str, name: str) -> None:
    ax.plot(x, y, "o", color=colour, markersize=min(6.0, 40 * width), label=name, zorder=3)


def _draw_series(
    ax: "Axes", mark: Mark, places: list[float], estimates: list[Estimate], width: float, colour: str,
    name: str,
) -> None:
    whole = [
        (place, each.value, each.low, each.high) for place, each in zip(places, estimates, strict=True)
        if each.value is not None and each.low is not None and each.high is not None]
    x = [place for place, *_ in whole]
    y = [value for _, value, *_ in whole]
    reach = ([value - low for _, value, low, _ in whole], [high - value for _, value, _, high in whole])
    mark(ax, x, y, width, colour, name)
    ax.errorbar(x, y, yerr=reach, fmt="none", ecolor=_INK, elinewidth=1.2, capsize=min(4.0, 24 * width))
    lost = [place for place, each in zip(places, estimates, strict=True) if each.low is None]
    if lost:
        ax.plot(lost, [0.03] * len(lost), "x", color="#bc4749", markersize=6, clip_on=False,
                transform=ax.get_xaxis_transform(), gid="unstable")


def _dress(ax: "Axes", release: "Release", at: int, labels: list[str], hues: tuple[str, ...]) -> None:
    alias = release.statistics[at]
    ax.set_xticks(range(len(labels)), labels)
    if (len(labels) > 4 and max(map(len, labels)) > _LONG) or len(labels) > 16:
        ax.tick_params(axis="x", rotation=45)
    ax.set_xlabel(release.keys[0] if len(hues) > 1 else " / ".join(release.keys))
    ax.set_ylabel(alias)
    figure = ax.get_figure(root=True)
    caption = wrap(release.caption, int(_LETTERS * figure.get_figwidth()) if figure else 60)
    ax.set_title(alias + (f" by {', '.join(release.keys)}" if release.keys else ""), loc="left",
                 fontweight="bold", color=_INK, pad=10 + 12 * len(caption))
    ax.text(0, 1.02, "\n".join(caption), transform=ax.transAxes, fontsize="small", color="#6b7280")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25)
    ax.set_axisbelow(True)
    ax.yaxis.set_major_formatter("{x:,.10g}")
    ax.set_xlim(-0.6, len(labels) - 0.4)
    if any(row.estimates[at].low is None for row in release.rows):
        above = (0, 14 + 12 * len(caption))
        ax.annotate("× too few rows for an interval", (1, 1), above, xycoords="axes fraction",
                    textcoords="offset points", ha="right", fontsize="small", color="#bc4749")
    if len(hues) > 1:
        ax.legend(title=" / ".join(release.keys[1:]), frameon=False)
