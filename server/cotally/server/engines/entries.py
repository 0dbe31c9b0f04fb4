"""The rows that a pass is about: kept by WHERE, of a person, with the number of their group."""

from collections.abc import Mapping

from sqlglot import exp

from cotally.server.engines.keys import grouped
from cotally.server.engines.predicate import condition
from cotally.server.engines.terms import RECORDS, UNIT, Bindings, binary, cast, column
from cotally.server.engines.vector import HELD
from cotally.server.model.catalog import Table
from cotally.server.model.query import Query

_SEPARATOR = "\x1f"
PLACE = "place"  # of a group among a person's


class Entries:
    """Begins the statements of one query with `entries`, and `paired` before it where tables are joined."""

    def __init__(self, query: Query, table: Table, salt: bytes, bindings: Bindings) -> None:
        self._query = query
        self._table = table
        self._salt = salt
        self._bindings = bindings

    def begin(self, tree: exp.Select, values: Mapping[str, exp.Expression]) -> tuple[exp.Select, bool]:
        """*tree* with `entries`: person (if any), cell, and *values* by name; whether cell may be NULL."""
        source = exp.to_table(RECORDS, copy=False)
        if self._table.parts:
            tree = tree.with_("paired", as_=self._paired(), copy=False)
            source.set("this", exp.to_identifier("paired"))
            source.set("alias", exp.TableAlias(this=exp.to_identifier(RECORDS)))
        rows = exp.select().from_(source, copy=False)
        rows, cell, leaving = grouped(rows, self._query, self._table, self._bindings)
        rows = rows.select(exp.alias_(cell, "cell", copy=False), copy=False)
        for name, value in values.items():
            rows = rows.select(exp.alias_(value, name, copy=False), copy=False)
        if self._query.where is not None:
            rows = rows.where(condition(self._query.where, self._table, self._bindings), copy=False)
        if self._table.unit is not None:
            unit = column(UNIT, RECORDS)
            present = exp.Not(this=exp.Is(this=unit.copy(), expression=exp.null()))
            rows = rows.select(exp.alias_(unit, "person", copy=False), copy=False)
            rows = rows.where(present, copy=False)
        return tree.with_("entries", as_=rows, copy=False), leaving

    def rank(self, source: str, function: exp.Expression) -> exp.Select:
        """The rows of *source* with their group's place among the person's, by keyed hash and number."""
        text: exp.Expression = self._bindings.bind(self._salt.hex() + _SEPARATOR)
        cell = cast(exp.column("cell"), "text")
        for part in (exp.column("person"), self._bindings.bind(_SEPARATOR), cell):
            text = exp.DPipe(this=text, expression=part)
        order = [exp.Ordered(this=exp.MD5(this=text)), exp.Ordered(this=exp.column("cell"))]
        place = exp.Window(
            this=function, partition_by=[exp.column("person")], order=exp.Order(expressions=order)
        )
        tree = exp.select(exp.Star(), exp.alias_(place, PLACE, copy=False), copy=False)
        return tree.from_(source, copy=False)

    def _paired(self) -> exp.Select:
        """Every pair of rows that one person has in the two tables, columns under their joint names."""
        first, second = (HELD.format(i) for i in range(2))
        tree = exp.select(exp.alias_(column(UNIT, first), UNIT, quoted=True, copy=False), copy=False)
        for relation, part in zip((first, second), self._table.parts, strict=True):
            for held in part.columns:
                joint = exp.alias_(
                    column(held.name, relation), f"{part.name}.{held.name}", quoted=True, copy=False
                )
                tree = tree.select(joint, copy=False)
        same = binary(exp.EQ, column(UNIT, first), column(UNIT, second))
        return tree.from_(first, copy=False).join(second, on=same, copy=False)


def kept(groups_per_person: int) -> exp.Expression:
    """The condition that a ranked group is one of the first g."""
    return exp.LTE(this=exp.column(PLACE), expression=exp.Literal.number(groups_per_person))


def numbered() -> exp.Expression:
    """The condition that a row has a group."""
    return exp.Not(this=exp.Is(this=exp.column("cell"), expression=exp.null()))
