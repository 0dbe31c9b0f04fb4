"""Reads the tree of a SELECT into a draft: table, keys, aggregates, WHERE."""

from dataclasses import replace
from typing import Any, Final

from sqlglot import exp

from cotally.v1.query_pb2 import StatisticKind
from cotally.v1.refusals import Refusal, Refused

from ..question.draft import Aggregate, Computed, Draft, Joined, Name, Setting
from ..question.names import echo
from .constructs import FORM, unsupported
from .functions import Reader, called
from .source import Source
from .tree import parts, refuse_node
from .where import Where

_AGGREGATES: Final[tuple[tuple[type[exp.Expression], StatisticKind.ValueType, str], ...]] = (
    (exp.Count, StatisticKind.STATISTIC_KIND_COUNT, "COUNT"),
    (exp.Sum, StatisticKind.STATISTIC_KIND_SUM, "SUM"),
    (exp.Avg, StatisticKind.STATISTIC_KIND_MEAN, "AVG"),
)


def draft(select: exp.Select, source: Source, settings: tuple[Setting, ...]) -> Draft:
    """Return the draft that *select* writes down; Refused UNSUPPORTED for anything else in it.

    Only a suggestion of bounds may do without FROM.
    """
    present = parts(select, {"expressions", "from", "joins", "where", "group"}, source)
    items = present.get("expressions", [])
    table = _table(present["from"], source) if "from" in present else None
    if table is None and not (items and called(items[0]) == "SUGGEST_BOUNDS"):
        raise Refused(Refusal.MALFORMED, f"the question names no table: the form is {FORM}")
    joins = tuple(_join(join, source) for join in present.get("joins", []))
    columns = Columns(source, tuple(each for each in (table, *(join.table for join in joins)) if each))
    selected, aggregates = _select_list(items, columns)
    test = None
    if "where" in present:
        condition = parts(present["where"], {"this"}, source)["this"]
        test = Where(source, columns.name).test(condition)
    return Draft(
        table=table,
        keys=_keys(present["group"], columns) if "group" in present else (),
        aggregates=aggregates,
        where=test,
        settings=settings,
        selected=selected,
        joins=joins,
    )


class Columns:
    """Reads column names; with one table its name before them may be left out, and is."""

    def __init__(self, source: Source, tables: tuple[Name, ...]) -> None:
        self.source = source
        self._tables = tables

    def name(self, node: exp.Column) -> Name:
        """Return the name that *node* writes; Refused if it belongs to another table."""
        present = parts(node, {"this", "table"}, self.source)
        at = self.source.at_node(node)
        if not isinstance(node.this, exp.Identifier):
            raise refuse_node(node.this, self.source, "a column name")
        if "table" not in present:
            return Name(node.name, at)
        known = [table.text for table in self._tables]
        if known and node.table.casefold() not in [name.casefold() for name in known]:
            raise Refused(
                Refusal.UNKNOWN_NAME,
                f"unknown table {echo(node.table)}: this question reads {' and '.join(map(echo, known))}{at}",
            )
        return Name(node.name if len(known) == 1 else f"{node.table}.{node.name}", at)


def _join(node: Any, source: Source) -> Joined:
    """Return JOIN table USING (column); every other join is refused."""
    present = parts(node, {"this", "using", "kind"}, source)
    at = source.at_node(present["this"])
    using = present.get("using", [])
    if not using and not present.get("kind"):
        raise unsupported("a second table", "write FROM first JOIN second USING (unit column)", at)
    if (
        len(using) != 1
        or not isinstance(using[0], exp.Identifier | exp.Column)
        or present.get("kind", "INNER") != "INNER"
    ):
        raise unsupported("this join", "write FROM first JOIN second USING (unit column)", at)
    return Joined(_named_table(present["this"], source), Name(using[0].name, source.at_node(using[0])))


def _table(clause: Any, source: Source) -> Name:
    return _named_table(parts(clause, {"this"}, source)["this"], source)


def _named_table(node: Any, source: Source) -> Name:
    if not isinstance(node, exp.Table):
        raise refuse_node(node, source, "FROM")
    if node.args.get("alias"):
        alias = echo(node.alias)
        raise unsupported(f"a table alias ({alias})", "use the table's own name", source.at_node(node))
    if node.args.get("db"):
        raise unsupported("a table name with a dot", "use the name in the catalog", source.at_node(node))
    parts(node, {"this", "joins"}, source)
    if node.args.get("joins"):
        raise unsupported(
            "this join", "write FROM first JOIN second USING (unit column)", source.at_node(node)
        )
    if not isinstance(node.this, exp.Identifier):
        raise refuse_node(node.this, source, "FROM")
    return Name(node.name, source.at_node(node))


def _select_list(items: Any, columns: Columns) -> tuple[tuple[Name | Computed, ...], tuple[Aggregate, ...]]:
    selected: list[Name | Computed] = []
    reader = Reader(columns.source, columns.name)
    aggregates: list[Aggregate] = []
    for item in items:
        alias = None
        node = item
        if isinstance(item, exp.Alias):
            parts(item, {"this", "alias"}, columns.source)
            node = item.this
            alias = Name(item.alias, columns.source.at_node(item.args["alias"]))
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
            name = columns.name(node)
            if alias is not None:
                raise unsupported(
                    f"an alias for a key ({echo(alias.text)})", "keys keep their column's name", alias.at
                )
            selected.append(name)
            continue
        computed = reader.computed(node)
        if computed is not None:
            selected.append(replace(computed, alias=alias))
            continue
        own = reader.aggregate(node, lambda inner: _aggregate(inner, None, columns))
        aggregates.append(_aggregate(node, alias, columns) if own is None else replace(own, alias=alias))
    return tuple(selected), tuple(aggregates)


def _aggregate(node: Any, alias: Name | None, columns: Columns) -> Aggregate:
    source = columns.source
    for shape, kind, spelled in _AGGREGATES:
        if type(node) is not shape:
            continue
        present = parts(node, {"this", "big_int", "expressions"}, source)
        if "expressions" in present:
            second = source.at_node(present["expressions"][0])
            raise unsupported(f"a second argument of {spelled}", f"write {spelled}(column)", second)
        argument = present.get("this")
        at = source.at_node(node)
        if isinstance(argument, exp.Star) and not any(argument.args.values()) and shape is exp.Count:
            return Aggregate(StatisticKind.STATISTIC_KIND_COUNT_ROWS, None, alias, at)
        if isinstance(argument, exp.Distinct) and shape is exp.Count:
            return _persons(argument, alias, columns, at)
        if isinstance(argument, exp.Column) and isinstance(argument.this, exp.Identifier):
            return Aggregate(kind, columns.name(argument), alias, at)
        if argument is None:
            raise unsupported(f"{spelled} of nothing", f"write {spelled}(column)", at)
        where = source.at_node(argument) or at
        if isinstance(argument, exp.Star):
            raise unsupported(f"* inside {spelled}", f"write {spelled}(column)", where)
        hint = f"write {spelled}(column)" + (" or COUNT(*)" if shape is exp.Count else "")
        raise unsupported(f"an expression inside {spelled}", hint, where)
    if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
        raise unsupported("SELECT *", "cotally releases statistics, never rows: write, for example, COUNT(*)",
                          source.at_node(node))
    raise refuse_node(node, source, "the SELECT list")


def _persons(node: Any, alias: Name | None, columns: Columns, at: str) -> Aggregate:
    """Read COUNT(DISTINCT unit)."""
    counted = parts(node, {"expressions"}, columns.source).get("expressions", [])
    if len(counted) != 1 or not isinstance(counted[0], exp.Column):
        raise unsupported("this form of DISTINCT inside COUNT", "write COUNT(DISTINCT unit column)", at)
    return Aggregate(StatisticKind.STATISTIC_KIND_PERSONS, None, alias, at, unit=columns.name(counted[0]))


def _keys(clause: Any, columns: Columns) -> tuple[Name | Computed, ...]:
    keys: list[Name | Computed] = []
    reader = Reader(columns.source, columns.name)
    for node in parts(clause, {"expressions"}, columns.source).get("expressions", []):
        if isinstance(node, exp.Literal):
            raise unsupported("a position in GROUP BY", "name the column", columns.source.at_node(node))
        computed = reader.computed(node)
        if computed is not None:
            keys.append(computed)
            continue
        if not isinstance(node, exp.Column):
            raise refuse_node(node, columns.source, "GROUP BY")
        keys.append(columns.name(node))
    return tuple(keys)
