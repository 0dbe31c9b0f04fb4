"""Resolves a draft against the catalog into the canonical Query. SQL and the fluent interface meet here.

Rules:
- a key is a category column, named once; the SELECT list names only keys of GROUP BY;
- SUM and AVG take integer and float columns, COUNT takes any;
- result columns are distinct: for an alias a that is a, a_se, a_low, a_high and a_flag.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

from cotally.v1.catalog_pb2 import Catalog, ColumnType, Table
from cotally.v1.query_pb2 import Query, Statistic, StatisticKind
from cotally.v1.refusals import Refusal, Refused

from ..canonicalise import canonical_query
from .draft import Aggregate, Draft, Name, Question
from .names import describe, echo, find_column, find_table, listing
from .predicates import check_size, predicate
from .privacy import DEFAULT_CONFIDENCE, clause

SUFFIXES: Final = ("_low", "_high", "_se", "_flag")
MAX_STATISTICS: Final = 64
MAX_KEYS: Final = 16
_MAX_NAME: Final = 64

PREFIX: Final = {
    StatisticKind.STATISTIC_KIND_COUNT: "count_",
    StatisticKind.STATISTIC_KIND_SUM: "sum_",
    StatisticKind.STATISTIC_KIND_MEAN: "avg_",
}
_SPELLED: Final = {
    StatisticKind.STATISTIC_KIND_COUNT: "COUNT",
    StatisticKind.STATISTIC_KIND_SUM: "SUM",
    StatisticKind.STATISTIC_KIND_MEAN: "AVG",
}
_NUMBERS: Final = (ColumnType.COLUMN_TYPE_INTEGER, ColumnType.COLUMN_TYPE_FLOAT)


def resolve(draft: Draft, catalog: Catalog, confidence: str = DEFAULT_CONFIDENCE) -> Question:
    """Return the question that *draft* means; raise Refused naming the first thing that is wrong."""
    table = find_table(catalog, draft.table)
    keys = _keys(table, draft.keys)
    if draft.selected is not None:
        _selected(table, keys, draft.selected)
    statistics = _statistics(table, draft.aggregates)
    _distinct(keys, statistics, draft.aggregates)
    query = Query(table=table.name, keys=keys, statistics=statistics)
    if draft.where is not None:
        check_size(draft.where)
        query.where.CopyFrom(predicate(table, draft.where))
    privacy, purpose = clause(draft.settings, confidence)
    query.privacy.CopyFrom(privacy)
    return Question(canonical_query(query), purpose)


def _keys(table: Table, names: Sequence[Name]) -> list[str]:
    if len(names) > MAX_KEYS:
        raise Refused(Refusal.UNSUPPORTED, f"more than {MAX_KEYS} keys in GROUP BY{names[MAX_KEYS].at}")
    keys: list[str] = []
    for name in names:
        column = find_column(table, name)
        if column.type != ColumnType.COLUMN_TYPE_CATEGORY:
            categories = [c.name for c in table.columns if c.type == ColumnType.COLUMN_TYPE_CATEGORY]
            raise Refused(
                Refusal.UNSUPPORTED,
                f"{describe(column)} and cannot be a key: GROUP BY takes category columns"
                f" ({echo(table.name)} has {listing(categories) or 'none'}){name.at}",
            )
        if column.name in keys:
            raise Refused(Refusal.MALFORMED, f"{echo(column.name)} stands twice in GROUP BY{name.at}")
        keys.append(column.name)
    return keys


def _selected(table: Table, keys: Sequence[str], names: Sequence[Name]) -> None:
    seen: set[str] = set()
    for name in names:
        column = find_column(table, name).name
        if column not in keys:
            raise Refused(
                Refusal.UNSUPPORTED,
                f"column {echo(column)} outside COUNT, SUM and AVG is not supported unless it stands in"
                f" GROUP BY: cotally releases statistics, never rows{name.at}",
            )
        if column in seen:
            raise Refused(Refusal.MALFORMED, f"key {echo(column)} is selected twice{name.at}")
        seen.add(column)


def _statistics(table: Table, aggregates: Sequence[Aggregate]) -> list[Statistic]:
    if not aggregates:
        raise Refused(
            Refusal.UNSUPPORTED,
            "a question without a statistic is not supported: ask for COUNT(*), COUNT(c), SUM(c) or AVG(c)",
        )
    if len(aggregates) > MAX_STATISTICS:
        raise Refused(Refusal.UNSUPPORTED, f"more than {MAX_STATISTICS} statistics in one question")
    return [_statistic(table, aggregate) for aggregate in aggregates]


def _statistic(table: Table, aggregate: Aggregate) -> Statistic:
    if aggregate.column is None:
        return Statistic(alias=_alias(aggregate, "count"), kind=StatisticKind.STATISTIC_KIND_COUNT_ROWS)
    column = find_column(table, aggregate.column)
    if aggregate.kind != StatisticKind.STATISTIC_KIND_COUNT and column.type not in _NUMBERS:
        name = f"{_SPELLED[aggregate.kind]}({echo(column.name)})"
        raise Refused(
            Refusal.UNSUPPORTED,
            f"{name} is not supported: {describe(column)}; SUM and AVG take integer and float columns"
            + aggregate.column.at,
        )
    alias = _alias(aggregate, PREFIX[aggregate.kind] + column.name)
    return Statistic(alias=alias, kind=aggregate.kind, column=column.name)


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


def _distinct(keys: Sequence[str], statistics: Sequence[Statistic], written: Sequence[Aggregate]) -> None:
    taken: set[str] = set()
    for statistic, aggregate in zip(statistics, written, strict=True):
        alias = statistic.alias
        at = aggregate.alias.at if aggregate.alias else aggregate.at
        if alias in taken:
            raise Refused(
                Refusal.MALFORMED, f"two statistics are called {echo(alias)}: name one of them with AS{at}"
            )
        for key in keys:
            if key in (alias, *(alias + suffix for suffix in SUFFIXES)):
                raise Refused(
                    Refusal.MALFORMED,
                    f"alias {echo(alias)} would give two result columns called {echo(key)},"
                    f" which is a key: choose another with AS{at}",
                )
        taken.add(alias)
