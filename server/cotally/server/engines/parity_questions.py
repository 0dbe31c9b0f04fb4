"""The questions of the parity check: every statistic, every way to group, bounds, conditions and a join.

Many statistics share a question, so that there are few: what an engine does for one of them, it does
beside the others. No question is about records; all are made of the catalog's public words.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from typing import Final

from cotally.server.engines.vector import key_lists
from cotally.server.model.catalog import ColumnType, Table
from cotally.server.model.query import (
    All,
    Any,
    ColumnBounds,
    Comparison,
    Derivation,
    DerivedKey,
    Join,
    Mechanism,
    Membership,
    Not,
    NullTest,
    Operator,
    Predicate,
    Privacy,
    Query,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.server.planner import limits
from cotally.server.planner.scope import effective
from cotally.v1.refusals import Refused

_BINS: Final = 7  # of a histogram, and of a computed key as near as its column's resolution allows
_TREE: Final = 8  # leaves
_FEW: Final = 400  # cells in which everything is asked; in more, only the number of rows
_PERIODS: Final = (Derivation.YEAR, Derivation.QUARTER, Derivation.MONTH)
_OWN: Final = "~"  # no name of the catalog begins so
_K: Final = StatisticKind

Key = str | DerivedKey  # a category, or a key that is computed
Scoped = tuple[Query, Table]  # a question, and the effective table that it is about


def questions(table: Table) -> Iterator[Scoped]:
    """Questions about *table*, each with its effective table; what the catalog forbids is left out."""
    sums, everything = _sums(table), [*_sums(table), *_pairs(table), *_of_persons(table), *_leaves(table)]
    keys = _keys(table)
    asked = [_query(table, everything), _query(table, everything, bounds=_bounds(table))]
    asked += [_query(table, sums, [key]) for key in keys]
    asked += [_query(table, everything, pair) for pair in islice(pairwise(keys), 0, None, 2)]
    asked += [_query(table, sums[:1], keys[:1], where=condition) for condition in _conditions(table)]
    asked += _joined(table)
    for query in asked:
        try:
            scope = effective(query, table, (twin(table),) if query.joins else ())
        except Refused:  # a bin or a bound that this column cannot have
            continue
        few = math.prod(map(len, key_lists(query, scope))) <= _FEW
        wanted = query.statistics if few else query.statistics[:1]
        for first in range(0, len(wanted), limits.MAX_STATISTICS):
            yield replace(query, statistics=wanted[first : first + limits.MAX_STATISTICS]), scope


def twin(table: Table) -> Table:
    """Another table of the same people, with columns of its own, for joins; no catalog has it."""
    columns = tuple(replace(column, name=_OWN + column.name) for column in table.columns)
    return replace(table, name=_OWN + table.name, columns=columns)


def spelt(query: Query, position: int) -> str:
    """The statistic at *position* of *query*, in words that an operator can pass on."""
    asked = query.statistics[position]
    computed = {key.name: f"{key.derivation.value.upper()}({key.column})" for key in query.derived}
    by = f" by {', '.join(computed.get(key, key) for key in query.keys)}" if query.keys else ""
    more = {"a weight": asked.weight, "a condition": query.where, "bounds": query.bounds,
            "a join": query.joins}
    having = " and ".join(word for word, there in more.items() if there)
    said = f"{asked.kind.value}({', '.join(asked.columns) or '*'}){by}"
    return f"{said} with {having}" if having else said


def _query(
    table: Table, statistics: Sequence[Statistic], keys: Sequence[Key] = (), *,
    where: Predicate | None = None, bounds: tuple[ColumnBounds, ...] = (), joins: tuple[Join, ...] = (),
) -> Query:
    """The question; statistics and computed keys get names that no catalog has."""
    privacy = Privacy(Target.RHO, Fraction(1), Fraction(19, 20), Mechanism.GAUSSIAN)
    return Query(
        table.name, tuple(key if isinstance(key, str) else key.name for key in keys),
        tuple(replace(each, alias=f"{_OWN}{i}") for i, each in enumerate(statistics)), where, privacy, joins,
        bounds, tuple(key for key in keys if isinstance(key, DerivedKey)))


def _joined(table: Table) -> Iterator[Query]:
    """Questions about the pairs of rows that a person has in *table* and its twin."""
    if table.unit is None:
        return
    join = (Join(twin(table).name, table.unit),)
    pairs = effective(_query(table, (), joins=join), table, (twin(table),))
    keys = _keys(pairs)
    yield _query(table, [*_sums(pairs), *_pairs(pairs), *_of_persons(pairs)[:1]], keys[-1:], joins=join)
    for spread in _leaves(pairs)[1:2]:
        yield _query(table, [spread], joins=join, where=_conditions(pairs)[-1])


def _sums(table: Table) -> list[Statistic]:
    """What counts and adds, with the survey weights; the first counts rows."""
    weights = [column.name for column in table.columns if column.weight]
    made = [Statistic("", _K.COUNT_ROWS, weight=weight) for weight in ("", *weights)]
    for column in table.columns:
        made.append(Statistic("", _K.COUNT, column.name))
        for kind in (_K.SUM, _K.MEAN) if column.is_number else ():
            made += [Statistic("", kind, column.name, weight=weight)
                     for weight in ("", *weights) if weight != column.name]
    return made


def _pairs(table: Table) -> list[Statistic]:
    """What multiplies: a number by itself, by its neighbour, and by those that explain it."""
    names = [column.name for column in table.columns if column.is_number]
    made = [Statistic("", kind, name) for name in names for kind in (_K.VARIANCE, _K.STDDEV)]
    made += [Statistic("", kind, y, (x,))
             for y, x in pairwise(names) for kind in (_K.COVAR, _K.CORR, _K.REGR)]
    return made + ([Statistic("", _K.REGR, names[-1], tuple(names[:2]))] if len(names) > 2 else [])


def _leaves(table: Table) -> list[Statistic]:
    """What asks how a number is spread."""
    return [made for column in table.columns if column.is_number for made in (
        Statistic("", _K.HISTOGRAM, column.name, bins=_BINS),
        Statistic("", _K.QUANTILE, column.name, quantile=Fraction(1, 2), bins=_TREE),
        Statistic("", _K.SUGGEST_BOUNDS, column.name))]


def _of_persons(table: Table) -> list[Statistic]:
    """What counts persons, where there are any."""
    if table.unit is None:
        return []
    made = [Statistic("", _K.INCIDENCES)]
    if table.overlap > 1:
        return made
    made += [Statistic("", _K.PERSONS), Statistic("", _K.TRUNCATED)]
    return made + [Statistic("", kind, column.name) for column in table.columns if column.is_number
                   for kind in (_K.CLIPPED_LOW, _K.CLIPPED_HIGH)]


def _keys(table: Table) -> list[Key]:
    """Everything to group by: categories, bins of numbers, parts of dates; every other one with `other`."""
    made: list[Key] = []
    for column in table.columns:
        if column.type is ColumnType.CATEGORY:
            made.append(column.name)
            continue
        width = column.resolution * max(column.units // _BINS, 1) if column.is_number else None
        for part in (Derivation.BIN,) if column.is_number else _PERIODS:
            other = len(made) % 2 == 0
            made.append(DerivedKey(f"{_OWN}key{len(made)}", part, column.name, width, other))
    return made


def _bounds(table: Table) -> tuple[ColumnBounds, ...]:
    """The middle half of every number's range, in whole units."""
    made = []
    for column in table.columns:
        if column.is_number and column.units > 3:
            margin = column.resolution * (column.units // 4)
            made.append(ColumnBounds(column.name, column.lower + margin, column.upper - margin))
    return tuple(made)


def _conditions(table: Table) -> list[Predicate]:
    """Conditions on every column, and on the first two at once."""
    made: list[Predicate] = []
    for column in table.columns:
        if column.is_number:
            middle = (column.lower + column.upper) / 2
            made += [Comparison(column.name, Operator.GT, middle),
                     Not(Membership(column.name, (column.lower, middle, column.upper)))]
        elif column.type is ColumnType.DATE:
            made.append(Comparison(column.name, Operator.LE, column.last))
        elif column.codes:
            made.append(Any((Comparison(column.name, Operator.NE, column.codes[0]), NullTest(column.name))))
    return [*made, All((made[0], Not(made[-1])))] if made else []
