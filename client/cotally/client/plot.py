"""A chart of one statistic with its error bars."""

from collections.abc import Callable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from cotally.v1 import query_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .decode.estimate import Estimate
from .shapes import is_list

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .release import Release

_COLOURS: Final = ("#2a6f97", "#e07a1f", "#4c956c", "#9b5de5", "#bc4749", "#577590", "#c9a227", "#6d597a")
_INK: Final = "#30343b"
_LONG: Final = 6    # characters from which labels of many groups are turned
_HUES: Final = len(_COLOURS)
_SCRIPTS: Final = (  # fonts that go on where the default has no glyph: codes may be Chinese
    "Noto Sans CJK SC", "Noto Sans SC", "Noto Sans CJK JP", "Source Han Sans SC", "Source Han Sans CN",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "Microsoft YaHei", "SimHei",
    "PingFang SC", "Hiragino Sans GB", "Arial Unicode MS")
_LETTERS: Final = 11  # of the caption's size in an inch of figure
_BARS: Final = frozenset({  # statistics that count something from 0 up; the others are points
    query_pb2.STATISTIC_KIND_COUNT_ROWS, query_pb2.STATISTIC_KIND_COUNT, query_pb2.STATISTIC_KIND_SUM,
    query_pb2.STATISTIC_KIND_PERSONS, query_pb2.STATISTIC_KIND_INCIDENCES, query_pb2.STATISTIC_KIND_HISTOGRAM,
    query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS})

Mark = Callable[["Axes", list[float], list[float], float, str, str], None]
Series = dict[str, list[Estimate]]


def draw(release: "Release", ax: "Axes | None", statistic: str | None) -> "Axes":
    """Return Axes with *statistic* of *release*: bars for counts, sums and histograms, points for the rest.

    The first key, or the bins or terms of a statistic of several numbers, lies along the axis; what else
    there is, if few, is colours. What has no interval is marked by a cross. Refuses an unknown alias, and
    several numbers for more groups than colours; Misconfigured where matplotlib is missing.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise Misconfigured("plot() needs matplotlib: pip install cotally[plot]") from None
    at = _position(release, statistic)
    with pyplot.rc_context({"font.family": _families(pyplot.rcParams["font.family"])}):
        return _drawn(release, ax, at)


def _families(own: list[str]) -> list[str]:
    """The user's font families, then those of `_SCRIPTS` that this machine has."""
    from matplotlib import font_manager
    there = {font.name for font in font_manager.fontManager.ttflist}
    return [*own, *(name for name in _SCRIPTS if name in there and name not in own)]


def _drawn(release: "Release", ax: "Axes | None", at: int) -> "Axes":
    from matplotlib import pyplot
    asked = release.query.statistics[at]
    labels, series = _numbers(release, at) if is_list(asked) else _groups(release, at)
    if ax is None:
        size = (min(14.0, 4.8 + 0.28 * max(len(labels), len(release.rows))), 4.4)
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    width = 0.8 / max(1, len(series))
    mark = _bars if asked.kind in _BARS else _points
    for number, (name, estimates) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * width
        places = [place + shift for place in range(len(estimates))]
        _draw_series(ax, mark, places, estimates, width, _COLOURS[number % _HUES], name)
    hue, axis = release.keys[1:], release.keys[0] if len(series) > 1 else " / ".join(release.keys)
    if is_list(asked):
        hue, axis = release.keys, asked.column if asked.kind in _BARS else "term"
    _dress(ax, release, at, labels, axis, hue if len(series) > 1 else ())
    if any(each.low is None for estimates in series.values() for each in estimates):
        _explain_crosses(ax, release)
    return ax


def _position(release: "Release", statistic: str | None) -> int:
    if statistic is None:
        return 0
    if statistic not in release.statistics:
        known = ", ".join(release.statistics)
        raise Refused(Refusal.UNKNOWN_NAME, f"the release has no statistic {statistic!r}; it has {known}")
    return release.statistics.index(statistic)


def _groups(release: "Release", at: int) -> tuple[list[str], Series]:
    """Return the labels along the axis, and per colour the estimates at those labels."""
    cells = {row.keys: row.estimates[at] for row in release.rows}
    rest = dict.fromkeys(" / ".join(keys[1:]) for keys in cells)
    if len(rest) > _HUES or len(release.keys) < 2:
        return [" / ".join(keys) or "all" for keys in cells], {"": list(cells.values())}
    series: Series = {name: [] for name in rest}
    for keys, estimate in cells.items():
        series[" / ".join(keys[1:])].append(estimate)
    return list(dict.fromkeys(keys[0] for keys in cells)), series


def _numbers(release: "Release", at: int) -> tuple[list[str], Series]:
    """Return the bins or terms along the axis, and per group the estimates at those."""
    if len(release.rows) > _HUES:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"a chart of {release.statistics[at]!r} shows at most {_HUES} groups, and"
            f" there are {len(release.rows)}: .long() has all",
        )
    first = release.rows[0].estimates[at].cells
    labels = [
        str(value) if isinstance(value, str) else f"{value:,.6g}" for value in (c.label[0][1] for c in first)
    ]
    return labels, {
        " / ".join(row.keys): [cell.estimate for cell in row.estimates[at].cells] for row in release.rows
    }


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
    reach = ([max(value - low, 0) for _, value, low, _ in whole],
             [max(high - value, 0) for _, value, _, high in whole])
    mark(ax, x, y, width, colour, name)
    ax.errorbar(x, y, yerr=reach, fmt="none", ecolor=_INK, elinewidth=1.2, capsize=min(4.0, 24 * width))
    lost = [place for place, each in zip(places, estimates, strict=True) if each.low is None]
    if lost:
        ax.plot(lost, [0.03] * len(lost), "x", color="#bc4749", markersize=6, clip_on=False,
                transform=ax.get_xaxis_transform(), gid="unstable")


def _dress(
    ax: "Axes", release: "Release", at: int, labels: list[str], axis: str, hue: Sequence[str],
) -> None:
    alias = release.statistics[at]
    ax.set_xticks(range(len(labels)), labels)
    if (len(labels) > 4 and max(map(len, labels)) > _LONG) or len(labels) > 16:
        ax.tick_params(axis="x", rotation=45)
    ax.set_xlabel(axis)
    ax.set_ylabel(alias)
    caption = _caption(ax, release)
    ax.set_title(alias + (f" by {', '.join(release.keys)}" if release.keys else ""), loc="left",
                 fontweight="bold", color=_INK, pad=10 + 12 * len(caption))
    ax.text(0, 1.02, "\n".join(caption), transform=ax.transAxes, fontsize="small", color="#6b7280")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.25)
    ax.set_axisbelow(True)
    ax.yaxis.set_major_formatter("{x:,.10g}")
    ax.set_xlim(-0.6, len(labels) - 0.4)
    if hue:
        ax.legend(title=" / ".join(hue), frameon=False)


def _caption(ax: "Axes", release: "Release") -> list[str]:
    figure = ax.get_figure(root=True)
    return wrap(release.caption, int(_LETTERS * figure.get_figwidth()) if figure else 60)


def _explain_crosses(ax: "Axes", release: "Release") -> None:
    above = (0, 14 + 12 * len(_caption(ax, release)))
    ax.annotate("× too few rows for an interval", (1, 1), above, xycoords="axes fraction",
                textcoords="offset points", ha="right", fontsize="small", color="#bc4749")
