"""Resolves a draft against the catalog into the canonical Query. SQL and the fluent interface meet here.

Rules:
- a key is a category column or computed from a number or date, and named once; the SELECT list names
  only keys of GROUP BY;
- COUNT takes any column, every other statistic of a column integer and float ones;
- result columns are distinct: for an alias a that is a, a_se, a_low, a_high, a_flag and a_adjusted;
- in a question with a join every column is called "table.column".
"""

from collections.abc import Sequence
from dataclasses import replace

from cotally.v1 import query_pb2
from cotally.v1.catalog_pb2 import Catalog, Table
from cotally.v1.query_pb2 import Query, Statistic
from cotally.v1.refusals import Refusal, Refused

from ..canonicalise import canonical_query
from ..published import NUMBERS
from ..scope import joined, narrowed
from .decimals import exact, plain
from .draft import Aggregate, Bounded, Draft, Name, Question
from .keys import keys
from .names import echo, find_column, find_table, is_unit, listing, spelled
from .place import placed
from .predicates import check_size, predicate
from .privacy import DEFAULT_CONFIDENCE, clause
from .statistics import MAX_STATISTICS, SUFFIXES, statistic, steer


def resolve(draft: Draft, catalog: Catalog, confidence: str = DEFAULT_CONFIDENCE) -> Question:
    """Return the question that *draft* means; raise Refused naming the first thing that is wrong."""
    draft = _with_table(draft, catalog)
    table = _table(draft, catalog)
    query = Query(table=table.name)
    table = _joined(table, draft, catalog, query)
    table = _bounded(table, draft.bounds, query)
    names, derived = keys(table, draft.keys, draft.selected)
    query.keys.extend(names)
    query.derived.extend(derived)
    query.statistics.extend(_statistics(table, draft.aggregates))
    _distinct(names, query.statistics, draft.aggregates)
    if draft.where is not None:
        check_size(draft.where)
        query.where.CopyFrom(predicate(table, draft.where))
    privacy = clause(draft.settings, confidence, table)
    steer(query.statistics, privacy)
    query.privacy.CopyFrom(privacy.message)
    query.consistent = privacy.consistent
    return Question(canonical_query(query), privacy.purpose, draft.only_price, privacy.replay)


def _table(draft: Draft, catalog: Catalog) -> Table:
    if draft.table is None:
        raise Refused(Refusal.MALFORMED, "the question names no table")
    return find_table(catalog, draft.table)


def _with_table(draft: Draft, catalog: Catalog) -> Draft:
    """Return *draft* with its table: where FROM is missing, the one that has the first column."""
    name = draft.aggregates[0].column if draft.aggregates else None
    if draft.table is not None or name is None:
        return draft
    table, dot, column = name.text.partition(".")
    if dot:
        first, *rest = draft.aggregates
        bare = replace(first, column=Name(column, name.at))
        return replace(draft, table=Name(table, name.at), aggregates=(bare, *rest))
    having = [t for t in catalog.tables if spelled(name.text, [c.name for c in t.columns])]
    if len(having) == 1:
        return replace(draft, table=Name(having[0].name, name.at))
    known = f"it is in {listing(t.name for t in having)}" if having else "no table has it"
    raise Refused(Refusal.UNKNOWN_NAME, f"which table has {echo(name.text)}? {known}: write FROM and the"
                                        f" table's name{name.at}")


def _joined(table: Table, draft: Draft, catalog: Catalog, query: Query) -> Table:
    if len(draft.joins) > 1:
        raise Refused(Refusal.UNSUPPORTED, "a third table is not supported: a question joins two tables"
                                           + draft.joins[1].table.at)
    for join in draft.joins:
        other = find_table(catalog, join.table)
        if table.unit_column and not is_unit(table, join.using):
            raise Refused(
                Refusal.UNSUPPORTED,
                f"a join on {echo(join.using.text)} is not supported: tables are joined"
                f" on their unit, USING ({echo(table.unit_column)}){join.using.at}",
            )
        with placed(join.table.at):
            table = joined(table, other, table.unit_column)
        query.joins.add(table=other.name, using=other.unit_column)
    return table


def _bounded(table: Table, written: Sequence[Bounded], query: Query) -> Table:
    result = Table()
    result.CopyFrom(table)
    for bounds in written:
        column = find_column(result, bounds.column)
        if any(each.column == column.name for each in query.bounds):
            raise Refused(Refusal.MALFORMED, f"{echo(column.name)} is bounded twice{bounds.at}")
        ends = [exact(number.text) for number in (bounds.lower, bounds.upper)]
        for end, number in zip(ends, (bounds.lower, bounds.upper), strict=True):
            if end is None and column.type in NUMBERS:
                raise Refused(Refusal.MALFORMED, f"{echo(number.text)} is no bound: write a number, as in"
                                                 f" BOUNDS(income, 0, 50000){number.at}")
        lower, upper = (plain(end) if end is not None else "" for end in ends)
        message = query_pb2.Bounds(column=column.name, lower=lower, upper=upper)
        with placed(bounds.at):
            column.CopyFrom(narrowed(column, message))
        query.bounds.append(message)
    return result


def _statistics(table: Table, aggregates: Sequence[Aggregate]) -> list[Statistic]:
    if not aggregates:
        raise Refused(
            Refusal.UNSUPPORTED,
            "a question without a statistic is not supported: ask for COUNT(*), SUM(c), AVG(c) and the like",
        )
    if len(aggregates) > MAX_STATISTICS:
        raise Refused(Refusal.UNSUPPORTED, f"more than {MAX_STATISTICS} statistics in one question")
    return [statistic(table, aggregate) for aggregate in aggregates]


def _distinct(keys: Sequence[str], statistics: Sequence[Statistic], written: Sequence[Aggregate]) -> None:
    taken: set[str] = set()
    for named, aggregate in zip(statistics, written, strict=True):
        alias = named.alias
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
