"""Turns written statistics into messages: columns of the right types, parameters in range, names."""

import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from cotally.v1 import query_pb2
from cotally.v1.catalog_pb2 import Column, Table
from cotally.v1.query_pb2 import Statistic
from cotally.v1.refusals import Refusal, Refused

from ..published import NUMBERS
from .decimals import exact, plain
from .draft import Aggregate, Listed, Name
from .names import describe, echo, find_column, is_unit
from .privacy import Clause, amount

SUFFIXES: Final = ("_low", "_high", "_se", "_flag", "_adjusted")
MAX_STATISTICS: Final = 64
MAX_BINS: Final = 1024
MAX_EXPLAINING: Final = 8
_MAX_NAME: Final = 64

SPELLED: Final[Mapping[int, str]] = {
    query_pb2.STATISTIC_KIND_COUNT_ROWS: "COUNT",
    query_pb2.STATISTIC_KIND_COUNT: "COUNT",
    query_pb2.STATISTIC_KIND_SUM: "SUM",
    query_pb2.STATISTIC_KIND_MEAN: "AVG",
    query_pb2.STATISTIC_KIND_VARIANCE: "VARIANCE",
    query_pb2.STATISTIC_KIND_STDDEV: "STDDEV",
    query_pb2.STATISTIC_KIND_PERSONS: "COUNT(DISTINCT)",
    query_pb2.STATISTIC_KIND_INCIDENCES: "INCIDENCES",
    query_pb2.STATISTIC_KIND_QUANTILE: "QUANTILE",
    query_pb2.STATISTIC_KIND_HISTOGRAM: "HISTOGRAM",
    query_pb2.STATISTIC_KIND_CORR: "CORR",
    query_pb2.STATISTIC_KIND_COVAR: "COVAR",
    query_pb2.STATISTIC_KIND_REGR: "REGR",
    query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS: "SUGGEST BOUNDS",
    query_pb2.STATISTIC_KIND_CLIPPED_LOW: "CLIPPED_LOW",
    query_pb2.STATISTIC_KIND_CLIPPED_HIGH: "CLIPPED_HIGH",
    query_pb2.STATISTIC_KIND_TRUNCATED: "TRUNCATED",
}
PREFIX: Final[Mapping[int, str]] = {
    query_pb2.STATISTIC_KIND_COUNT_ROWS: "count", query_pb2.STATISTIC_KIND_COUNT: "count",
    query_pb2.STATISTIC_KIND_SUM: "sum", query_pb2.STATISTIC_KIND_MEAN: "avg",
    query_pb2.STATISTIC_KIND_VARIANCE: "var", query_pb2.STATISTIC_KIND_STDDEV: "std",
    query_pb2.STATISTIC_KIND_PERSONS: "persons", query_pb2.STATISTIC_KIND_INCIDENCES: "incidences",
    query_pb2.STATISTIC_KIND_QUANTILE: "quantile", query_pb2.STATISTIC_KIND_HISTOGRAM: "hist",
    query_pb2.STATISTIC_KIND_CORR: "corr", query_pb2.STATISTIC_KIND_COVAR: "covar",
    query_pb2.STATISTIC_KIND_REGR: "regr", query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS: "bounds",
    query_pb2.STATISTIC_KIND_CLIPPED_LOW: "clipped_low",
    query_pb2.STATISTIC_KIND_CLIPPED_HIGH: "clipped_high",
    query_pb2.STATISTIC_KIND_TRUNCATED: "truncated",
}
WEIGHTED: Final = frozenset({
    query_pb2.STATISTIC_KIND_COUNT_ROWS, query_pb2.STATISTIC_KIND_COUNT, query_pb2.STATISTIC_KIND_SUM,
    query_pb2.STATISTIC_KIND_MEAN})
_OF_PERSONS: Final = frozenset({
    query_pb2.STATISTIC_KIND_PERSONS, query_pb2.STATISTIC_KIND_INCIDENCES,
    query_pb2.STATISTIC_KIND_CLIPPED_LOW, query_pb2.STATISTIC_KIND_CLIPPED_HIGH,
    query_pb2.STATISTIC_KIND_TRUNCATED})


def statistic(table: Table, aggregate: Aggregate) -> Statistic:
    """Return the message of *aggregate* over the effective *table*; Refused names what does not fit."""
    kind = aggregate.kind
    result = Statistic(kind=kind)
    columns = [find_column(table, name) for name in (aggregate.column, *aggregate.others) if name]
    if kind != query_pb2.STATISTIC_KIND_COUNT:
        for column, name in zip(columns, (aggregate.column, *aggregate.others), strict=False):
            _check_number(kind, column, name)
    if columns:
        result.column = columns[0].name
        result.others.extend(column.name for column in columns[1:])
    _check_distinct(columns, aggregate)
    if kind in _OF_PERSONS:
        _check_persons(table, aggregate)
    _parameters(result, aggregate)
    if aggregate.weight is not None:
        result.weight = _weight(table, aggregate, result.column)
    result.alias = _alias(aggregate, _default(table, result, aggregate))
    return result


def _check_number(kind: int, column: Column, name: Name | None) -> None:
    if column.type in NUMBERS:
        return
    spelled = SPELLED[kind]
    raise Refused(
        Refusal.UNSUPPORTED,
        f"{spelled}({echo(column.name)}) is not supported: {describe(column)}; {spelled} takes integer and"
        f" float columns{name.at if name else ''}",
    )


def _check_distinct(columns: Sequence[Column], aggregate: Aggregate) -> None:
    names = [column.name for column in columns]
    if len(names) > 1 + MAX_EXPLAINING:
        raise Refused(
            Refusal.UNSUPPORTED, f"REGR takes at most {MAX_EXPLAINING} explaining columns{aggregate.at}"
        )
    if len(set(names)) < len(names):
        raise Refused(Refusal.MALFORMED, f"{SPELLED[aggregate.kind]} names one column twice{aggregate.at}")


def _check_persons(table: Table, aggregate: Aggregate) -> None:
    name, at = echo(table.name), aggregate.at
    if not table.unit_column:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{SPELLED[aggregate.kind]} is not supported: the unit of {name} is the row, so nobody knows"
            f" its persons; COUNT(*) counts its rows{at}",
        )
    if aggregate.unit is not None and not is_unit(table, aggregate.unit):
        raise Refused(
            Refusal.UNSUPPORTED,
            f"distinct {echo(aggregate.unit.text)} cannot be counted: only the unit column of {name}, as"
            f" in COUNT(DISTINCT {echo(table.unit_column)}){aggregate.unit.at}",
        )
    if table.overlap > 1 and aggregate.kind != query_pb2.STATISTIC_KIND_INCIDENCES:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{SPELLED[aggregate.kind]} is not supported: a person may be in {table.overlap} departments"
            f" of {name} and cannot be counted once; INCIDENCES({echo(table.unit_column)}) counts"
            f" everybody once in each department{at}",
        )


def _parameters(result: Statistic, aggregate: Aggregate) -> None:
    """Fill in quantile and bins, or refuse them."""
    if aggregate.quantile is not None:
        q = exact(aggregate.quantile.text)
        if q is None or not 0 < q < 1:
            raise Refused(
                Refusal.MALFORMED,
                f"quantile {echo(aggregate.quantile.text)} is not accepted: it lies"
                f" between 0 and 1, as in QUANTILE(c, 0.9){aggregate.quantile.at}",
            )
        result.quantile = plain(q)
    elif aggregate.kind == query_pb2.STATISTIC_KIND_QUANTILE:
        result.quantile = "0.5"  # MEDIAN
    if aggregate.bins is None:
        return
    histogram = aggregate.kind == query_pb2.STATISTIC_KIND_HISTOGRAM
    what = "the number of bins" if histogram else "the number of leaves"
    bins = exact(aggregate.bins.text)
    fits = bins is not None and bins == int(bins) and 1 <= bins <= MAX_BINS
    if not fits or (not histogram and int(bins or 0) not in [2**i for i in range(1, 11)]):
        wanted = f"a whole number from 1 to {MAX_BINS}" if histogram else "a power of two from 2 to 1024"
        raise Refused(Refusal.UNSUPPORTED,
                      f"{what} is {wanted}, not {echo(aggregate.bins.text)}{aggregate.bins.at}")
    result.bins = int(bins or 0)


def _weight(table: Table, aggregate: Aggregate, column: str) -> str:
    name = aggregate.weight
    if name is None or aggregate.kind not in WEIGHTED:
        raise Refused(Refusal.UNSUPPORTED, f"{SPELLED[aggregate.kind]} takes no weight: COUNT, SUM and AVG do"
                                           + aggregate.at)
    weight = find_column(table, name)
    if not weight.weight:
        weights = [c.name for c in table.columns if c.weight]
        known = f"{echo(table.name)} has {', '.join(map(echo, weights)) or 'none'}"
        raise Refused(Refusal.UNSUPPORTED, f"{echo(weight.name)} is not declared as a survey weight: {known}"
                                           + name.at)
    if weight.name == column:
        raise Refused(Refusal.MALFORMED, f"{echo(column)} is weighted by itself{name.at}")
    return weight.name


def _default(table: Table, found: Statistic, aggregate: Aggregate) -> str:
    """Return the name of an unnamed statistic: var_c, quantile_c_0_9, corr_y_x, weighted_avg_c."""
    two = found.kind in (query_pb2.STATISTIC_KIND_CORR, query_pb2.STATISTIC_KIND_COVAR)
    names = [bare(table, name) for name in (found.column, *(found.others if two else ())) if name]
    prefix = PREFIX[found.kind]
    if found.kind == query_pb2.STATISTIC_KIND_QUANTILE:
        if aggregate.quantile is None:
            prefix = "median"
        else:
            names.append(found.quantile.replace(".", "_"))
    if found.weight:
        prefix = f"weighted_{prefix}"
    return "_".join((prefix, *names))


def bare(table: Table, name: str) -> str:
    """Return a column's name without its table, where a join put that before it."""
    joined = all("." in column.name for column in table.columns)
    return name.partition(".")[2] if joined and "." in name else name


def _alias(aggregate: Aggregate, default: str) -> str:
    name = aggregate.alias or Name(default, aggregate.at)
    alias = unicodedata.normalize("NFC", name.text)
    if not alias.strip() or not alias.isprintable() or (aggregate.alias and len(alias) > _MAX_NAME):
        raise Refused(
            Refusal.MALFORMED,
            f"alias {echo(alias)!r} is not accepted: use at most {_MAX_NAME} printable characters{name.at}",
        )
    for suffix in SUFFIXES:
        if alias.lower().endswith(suffix):
            raise Refused(
                Refusal.MALFORMED,
                f"alias {echo(alias)} is not accepted: names that end in {suffix} are kept for error bars;"
                f" choose another with AS{name.at}",
            )
    return alias


def steer(statistics: Sequence[Statistic], clause: Clause) -> None:
    """Write the clause's weights and stated errors into *statistics* and the clause's message."""
    if clause.weights is not None:
        for position, value in _by_statistic("weights", clause.weights, statistics).items():
            statistics[position].loss = value if Decimal(value) != 1 else ""
    if clause.errors is None:
        return
    errors = _by_statistic("error", clause.errors, statistics)
    if 0 not in errors:
        raise Refused(
            Refusal.BAD_PRIVACY,
            f"the list of errors leaves out {echo(statistics[0].alias)}: it states the"
            f" first statistic's, and others' if you like{clause.errors.at}",
        )
    clause.message.error = errors.pop(0)
    for position, value in errors.items():
        statistics[position].error = value


def _by_statistic(key: str, listed: Listed, statistics: Sequence[Statistic]) -> dict[int, str]:
    """Return {position of a statistic: plain amount} as *listed* says."""
    aliases = [s.alias for s in statistics]
    found: dict[int, str] = {}
    named = [name is not None for name, _ in listed.items]
    if any(named) != all(named) or len(listed.items) > len(aliases):
        raise Refused(
            Refusal.BAD_PRIVACY,
            f"{key} = {echo(listed.text)} is not accepted: name every item, or none, and"
            f" no more than the {len(aliases)} statistics{listed.at}",
        )
    for order, (name, number) in enumerate(listed.items):
        if name is not None and name.text not in aliases:
            raise Refused(Refusal.BAD_PRIVACY, f"{key} names {echo(name.text)}, and the statistics are called"
                                               f" {', '.join(map(echo, aliases))}{name.at}")
        position = order if name is None else aliases.index(name.text)
        if position in found:
            raise Refused(Refusal.BAD_PRIVACY, f"{key} names {echo(aliases[position])} twice{listed.at}")
        found[position] = amount(key, Name(aliases[position]), number)
    return found
