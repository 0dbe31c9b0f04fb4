"""Reads the tree of a SELECT into a draft: table, keys, aggregates, WHERE."""

from typing import Any, Final

from sqlglot import exp

from cotally.v1.query_pb2 import StatisticKind
from cotally.v1.refusals import Refusal, Refused

from ..question.draft import Aggregate, Draft, Name, Setting
from ..question.names import echo
from .constructs import FORM, unsupported
from .source import Source
from .tree import parts, refuse_node
from .where import Where

_AGGREGATES: Final[tuple[tuple[type[exp.Expression], StatisticKind.ValueType, str], ...]] = (
    (exp.Count, StatisticKind.STATISTIC_KIND_COUNT, "COUNT"),
    (exp.Sum, StatisticKind.STATISTIC_KIND_SUM, "SUM"),
    (exp.Avg, StatisticKind.STATISTIC_KIND_MEAN, "AVG"),
)


def draft(select: exp.Select, source: Source, settings: tuple[Setting, ...]) -> Draft:
    """Return the draft that *select* writes down; Refused UNSUPPORTED for anything else in it."""
    present = parts(select, {"expressions", "from", "where", "group"}, source)
    if "from" not in present:
        raise Refused(Refusal.MALFORMED, f"the question names no table: the form is {FORM}")
    table = _table(present["from"], source)
    columns = Columns(source, table)
    selected, aggregates = _select_list(present.get("expressions", []), columns)
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
    )


class Columns:
    """Reads column names of the one table, with or without its name before them."""

    def __init__(self, source: Source, table: Name) -> None:
        self.source = source
        self._table = table

    def name(self, node: exp.Column) -> Name:
        """Return the name that *node* writes; Refused if it belongs to another table."""
        present = parts(node, {"this", "table"}, self.source)
        at = self.source.at_node(node)
        if not isinstance(node.this, exp.Identifier):
            raise refuse_node(node.this, self.source, "a column name")
        if "table" in present and node.table.casefold() != self._table.text.casefold():
            raise Refused(
                Refusal.UNKNOWN_NAME,
                f"unknown table {echo(node.table)}: this question reads {echo(self._table.text)}{at}",
            )
        return Name(node.name, at)


def _table(clause: Any, source: Source) -> Name:
    node = parts(clause, {"this"}, source)["this"]
    if not isinstance(node, exp.Table):
        raise refuse_node(node, source, "FROM")
    if node.args.get("alias"):
        alias = echo(node.alias)
        raise unsupported(f"a table alias ({alias})", "use the table's own name", source.at_node(node))
    if node.args.get("db"):
        raise unsupported("a table name with a dot", "use the name in the catalog", source.at_node(node))
    parts(node, {"this"}, source)
    if not isinstance(node.this, exp.Identifier):
        raise refuse_node(node.this, source, "FROM")
    return Name(node.name, source.at_node(node))


def _select_list(items: Any, columns: Columns) -> tuple[tuple[Name, ...], tuple[Aggregate, ...]]:
    selected: list[Name] = []
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
        else:
            aggregates.append(_aggregate(node, alias, columns))
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


def _keys(clause: Any, columns: Columns) -> tuple[Name, ...]:
    keys: list[Name] = []
    for node in parts(clause, {"expressions"}, columns.source).get("expressions", []):
        if isinstance(node, exp.Literal):
            raise unsupported("a position in GROUP BY", "name the column", columns.source.at_node(node))
        if not isinstance(node, exp.Column):
            raise refuse_node(node, columns.source, "GROUP BY")
        keys.append(columns.name(node))
    return tuple(keys)
