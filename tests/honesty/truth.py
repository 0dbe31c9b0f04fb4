"""The bounded truth, straight from docs/statistics.md and exact; it shares no code with client or server.

Of a plan only public units are read: how coarse a column's units are, and where its centre lies.
"""

import bisect
import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import product

import numpy as np

from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from tests.honesty.people import Holding, Record

Rows = list[dict[str, int | None]]  # a person's rows in a group: units by column
Group = Mapping[str, Rows]
Truth = list[float | None]  # per number of a statistic; None where there is none to be told


def groups(holding: Holding, keys: Sequence[str], salt: bytes) -> list[Group]:
    """The rows of every group, row-major in the keys' codes, after bounding to g groups per person."""
    table = holding.table
    columns = {column.name: column for column in table.columns}
    places = {cell: at for at, cell in enumerate(product(*(columns[key].codes for key in keys)))}
    people: dict[str, dict[int, Rows]] = defaultdict(lambda: defaultdict(list))
    for record in (each for own in holding.records.values() for each in own):
        cell = places.get(tuple(_code(record[key]) for key in keys))
        if record["pid"] and cell is not None:
            people[record["pid"]][cell].append(_units(record, table.columns))
    found: list[dict[str, Rows]] = [{} for _ in places]
    for person, reached in people.items():
        kept = sorted(reached)
        if len(places) > table.groups_per_person:
            kept.sort(key=lambda cell: (_order(salt, person, cell), cell))
            kept = kept[:table.groups_per_person]
        for cell in kept:
            found[cell][person] = reached[cell]
    return list(found)


def _order(salt: bytes, person: str, cell: int) -> str:
    return hashlib.md5(b"\x1f".join([salt.hex().encode(), person.encode(), str(cell).encode()])).hexdigest()


def _code(text: str) -> str:
    return str(int(float(text))) if text.replace(".", "").isdigit() else text


def _units(record: Record, columns: Sequence[catalog_pb2.Column]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for column in columns:
        if column.type == catalog_pb2.COLUMN_TYPE_CATEGORY:
            continue
        lower, upper = Fraction(column.lower), Fraction(column.upper)
        step = Fraction(column.resolution or "1")
        text = record[column.name]
        value = None if text == "" else min(max(Fraction(text), lower), upper)
        found[column.name] = None if value is None else _half_up((value - lower) / step)
    return found


def _half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


class Bounded:
    """One group's bounded sums and values for one statistic, k rows per person at most."""

    def __init__(self, group: Group, statistic: query_pb2.Statistic, table: catalog_pb2.Table,
                 blocks: Sequence[round_pb2.Block]) -> None:
        nullable = {column.name for column in table.columns if column.nullable}
        named = [name for name in (statistic.column, *statistic.others, statistic.weight) if name in nullable]
        self._rows = [[row for row in rows if all(row[name] is not None for name in named)]
                      for rows in group.values()]
        self._k = table.rows_per_person
        self._columns = {column.name: column for column in table.columns}
        self._forms = {
            tuple(form.column for form in forms): forms for block in blocks if block.factor
            for forms in [(block, block.second) if block.second.column else (block,)]}

    def count(self) -> int:
        """Rows."""
        return sum(min(len(rows), self._k) for rows in self._rows)

    def total(self, *names: str) -> Fraction:
        """The sum of a column, or of the product of two, measured from the centres of their block's forms."""
        forms = self._forms[tuple(sorted(names))]
        step = math.prod((self._resolution(form.column) * form.coarse / form.factor for form in forms),
                         start=Fraction(1))
        whole = 0
        for rows in self._rows:
            worths = [math.prod(form.factor * self._coarse(row, form.column, form.coarse) + form.shift
                                for form in forms) for row in rows]
            if worths:
                whole += _half_up(Fraction(min(len(rows), self._k) * sum(worths), len(rows)))
        return whole * step

    def centre(self, name: str) -> Fraction:
        """What was subtracted from the column's values."""
        return next(Fraction(form.centre)
                    for forms in self._forms.values() for form in forms if form.column == name)

    def bounds(self, name: str) -> tuple[Fraction, Fraction]:
        """The column's declared bounds."""
        return Fraction(self._columns[name].lower), Fraction(self._columns[name].upper)

    def values(self, name: str) -> list[Fraction]:
        """The c rows that stand for a person with n: of ranks (2j - 1) n / 2c, j = 1..c, rounded up.

        At these ranks c times the share of rows so far, rounded half up, rises by one.
        """
        column = self._columns[name]
        found = []
        for rows in self._rows:
            ordered = sorted(self._coarse(row, name, 1) for row in rows)
            n, c = len(ordered), min(len(ordered), self._k)
            found += [ordered[math.ceil(Fraction((2 * j - 1) * n, 2 * c)) - 1] for j in range(1, c + 1)]
        return [Fraction(column.lower) + self._resolution(name) * unit for unit in sorted(found)]

    def truncated(self) -> Fraction:
        """Persons with more rows than count."""
        return Fraction(sum(len(rows) > self._k for rows in self._rows))

    def between_powers(self, name: str) -> list[float]:
        """Rows in the leaves that begin at 0 and at +-resolution * 2^i."""
        (lower, upper), step = self.bounds(name), self._resolution(name)
        powers = [step * 2**i for i in range(64) if step * 2**i <= max(abs(lower), abs(upper))]
        marks = {Fraction(0), *powers, *(-power for power in powers)}
        units = {math.ceil((mark - lower) / step) for mark in marks if lower < mark <= upper}
        starts = [0, *sorted(unit for unit in units if 0 < unit <= (upper - lower) / step)]
        found = [0.0] * len(starts)
        for value in self.values(name):
            found[bisect.bisect_right(starts, (value - lower) / step) - 1] += 1
        return found

    def _coarse(self, row: Mapping[str, int | None], name: str, coarse: int) -> int:
        unit = row[name]
        assert unit is not None
        return _half_up(Fraction(unit, coarse))

    def _resolution(self, name: str) -> Fraction:
        return Fraction(self._columns[name].resolution or "1")


def truth(statistic: query_pb2.Statistic, group: Group, table: catalog_pb2.Table,
          blocks: Sequence[round_pb2.Block]) -> Truth:
    """What a release of *statistic* estimates in *group*, number by number."""
    bounded = Bounded(group, statistic, table, blocks)
    return _TRUTHS[statistic.kind](bounded, statistic, group)


def _ratio(top: Fraction, bottom: Fraction | int) -> Fraction | None:
    return top / bottom if bottom else None


def _number(value: Fraction | int | None) -> Truth:
    return [None if value is None else float(value)]


def _count(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    return _number(of.total(statistic.weight) if statistic.weight else of.count())


def _sum(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    return _number(of.total(*filter(None, (statistic.column, statistic.weight))))


def _mean(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    name = statistic.column
    found = (_ratio(of.total(name, statistic.weight), of.total(statistic.weight)) if statistic.weight
             else _ratio(of.total(name), of.count()))
    return _number(None if found is None else of.centre(name) + found)


def _covariance(of: Bounded, first: str, second: str) -> Fraction:
    """The mean product less the product of means."""
    n = of.count()
    return of.total(first, second) / n - of.total(first) * of.total(second) / n**2


def _variance(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    return _number(_covariance(of, statistic.column, statistic.column) if of.count() else None)


def _stddev(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    (found,) = _variance(of, statistic, group)
    return [None if found is None or found < 0 else math.sqrt(found)]


def _covar(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    return _number(_covariance(of, statistic.column, statistic.others[0]) if of.count() else None)


def _corr(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    if not of.count():
        return [None]
    y, x = statistic.column, statistic.others[0]
    yy, yx, xx = (_covariance(of, *pair) for pair in ((y, y), (y, x), (x, x)))
    return [float(yx) / math.sqrt(yy * xx)] if min(yy, xx) > 0 else [None]


def _regr(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    """Least squares on the bounded moments; None for all where the columns do not tell the coefficients."""
    nothing: Truth = [None] * (1 + len(statistic.others))
    if not of.count():
        return nothing
    names = list(statistic.others)
    moments = np.array([[float(_covariance(of, a, b)) for b in names] for a in names])
    if np.linalg.matrix_rank(moments) < len(names):
        return nothing
    slopes = np.linalg.solve(moments, [float(_covariance(of, statistic.column, a)) for a in names])
    level = [float(of.centre(name) + of.total(name) / of.count()) for name in (statistic.column, *names)]
    return [level[0] - float(slopes @ level[1:]), *slopes.tolist()]


def _quantile(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    """The least value with at least q of the rows at or below it."""
    values = of.values(statistic.column)
    rank = math.ceil(Fraction(statistic.quantile) * len(values))
    return _number(values[max(rank, 1) - 1] if values else None)


def _histogram(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    """Rows per bin: of L over the units 0..M, unit u is in bin min(u L / M, L - 1), rounded down."""
    lower, upper = of.bounds(statistic.column)
    span = upper - lower
    found = [0.0] * statistic.bins
    for value in of.values(statistic.column):
        found[min(math.floor((value - lower) * statistic.bins / span), statistic.bins - 1)] += 1
    return list(found)


def _persons(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    return _number(len(group))


def _truncated(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    """The share of persons with more rows than count."""
    return _number(_ratio(of.truncated(), len(group)))


def _suggestion(of: Bounded, statistic: query_pb2.Statistic, group: Group) -> Truth:
    """Rows between powers of two of the resolution: edges are rounded up to a unit."""
    return list(of.between_powers(statistic.column))


def clipped(group: Group, declared: catalog_pb2.Column, asked: catalog_pb2.Column, low: bool) -> Truth:
    """The share of persons with a value outside the bounds that a question *asked* inside the declared."""
    step, base = Fraction(declared.resolution or "1"), Fraction(declared.lower)
    units = {person: [row[declared.name] for row in rows] for person, rows in group.items()}
    beyond = sum(any(unit is not None and (base + step * unit < Fraction(asked.lower) if low
                                           else base + step * unit > Fraction(asked.upper))
                     for unit in own) for own in units.values())
    return _number(_ratio(Fraction(beyond), len(group)))


_TRUTHS: dict[int, Callable[[Bounded, query_pb2.Statistic, Group], Truth]] = {
    query_pb2.STATISTIC_KIND_COUNT_ROWS: _count, query_pb2.STATISTIC_KIND_COUNT: _count,
    query_pb2.STATISTIC_KIND_SUM: _sum, query_pb2.STATISTIC_KIND_MEAN: _mean,
    query_pb2.STATISTIC_KIND_VARIANCE: _variance, query_pb2.STATISTIC_KIND_STDDEV: _stddev,
    query_pb2.STATISTIC_KIND_COVAR: _covar, query_pb2.STATISTIC_KIND_CORR: _corr,
    query_pb2.STATISTIC_KIND_REGR: _regr, query_pb2.STATISTIC_KIND_QUANTILE: _quantile,
    query_pb2.STATISTIC_KIND_HISTOGRAM: _histogram, query_pb2.STATISTIC_KIND_PERSONS: _persons,
    query_pb2.STATISTIC_KIND_TRUNCATED: _truncated, query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS: _suggestion,
}
