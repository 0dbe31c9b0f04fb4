"""Compiles a plan into one query over a snapshot; its rows are the measurement, group by group.

1. `entries`: the rows that WHERE keeps, that have a privacy unit and whose keys are public; each
   with its group's row-major number and, per measured column, its units above the lower bound.
2. `people`: per person and group, how many values and their sum. An event-level table has no people.
3. `ranked`: of a person's groups the first g by (keyed hash, group number); only where the plan has
   more than g groups.
4. Per group, the sum over people of the integer that bounding leaves of them.

The tree is an sqlglot expression without a dialect: identifiers quoted, values bound. Division is
only asked of non-negative integers, so that truncating and flooring engines agree. Rounding splits
the shift off, which is exact: floor(c S/n + 1/2) = c shift + floor(c factor U/n + 1/2) for
S = factor U + n shift and c = min(n, k), and U = n q + r leaves only factor c r/n to be rounded.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from cotally.server.engines.predicate import condition
from cotally.server.engines.terms import RECORDS, UNIT, Bindings, Bound, binary, case, cast, column, number
from cotally.server.engines.units import integer_type, units
from cotally.server.engines.vector import groups, key_lists
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Block, Plan
from cotally.server.model.query import Query
from cotally.v1.refusals import Refusal, Refused

_ROWS = 2**40  # more rows than one holding has
_EXACT = 2**126  # sums below this are exact in 128-bit integers and in DECIMAL(38, 0)
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A query for (group, one sum per block, ...) rows, and the values that it binds."""

    tree: exp.Select
    bindings: Mapping[str, Bound]

    def __repr__(self) -> str:
        return "Measurement(...)"  # the salt is among the bindings


def compile_measurement(query: Query, table: Table, plan: Plan, salt: bytes) -> Measurement:
    """The query whose rows `vector.place` turns into the plan's vector.

    Refuses (UNSUPPORTED) a plan whose exact sums could leave 128 bits; this depends on public
    numbers only. Raises ValueError for a query or plan that does not fit the table.
    """
    return _Compiler(query, table, plan, salt).compile()


class _Compiler:
    def __init__(self, query: Query, table: Table, plan: Plan, salt: bytes) -> None:
        self._query = query
        self._table = table
        self._plan = plan
        self._salt = salt
        self._bindings = Bindings()
        measured = dict.fromkeys(b.column for b in plan.blocks if b.column)
        self._lane = {name: lane for lane, name in enumerate(measured)}
        self._summed = {b.column for b in plan.blocks if b.factor}

    def compile(self) -> Measurement:
        for block in self._plan.blocks:
            self._check(block)
        tree = exp.select(exp.column("cell"))
        tree = tree.with_("entries", as_=self._entries(), copy=False)
        if self._table.unit is None:
            source, worth = "entries", self._event_worth
        else:
            tree = tree.with_("people", as_=self._people(), copy=False)
            source, worth = "people", self._person_worth
            if groups(self._query, self._table) > self._table.groups_per_person:
                tree = tree.with_("ranked", as_=self._ranked(), copy=False)
                kept = exp.LTE(this=exp.column("place"), expression=number(self._table.groups_per_person))
                source, tree = "ranked", tree.where(kept, copy=False)
        for position, block in enumerate(self._plan.blocks):
            total = exp.Sum(this=worth(block))
            tree = tree.select(exp.alias_(total, f"b{position}", copy=False), copy=False)
        tree = tree.from_(source, copy=False).group_by(exp.column("cell"), copy=False)
        return Measurement(tree, self._bindings.values)

    def _check(self, block: Block) -> None:
        if block.factor < 0:
            raise ValueError("a block counts units downwards")
        if block.factor and not block.column:
            raise ValueError("a block sums units without a column")
        product = 2 * self._table.rows_per_person * block.factor
        if max(self._reach(block), product) * _ROWS >= _EXACT:
            what = block.column or "the number of rows"
            raise Refused(Refusal.UNSUPPORTED, f"sums over {what} do not fit 128 bits")

    def _reach(self, block: Block) -> int:
        """Bound on the magnitude of one person's integer and of its two terms."""
        most = block.factor * self._units(block.column) if block.factor else 0
        return self._table.rows_per_person * (abs(block.shift) + most)

    def _units(self, name: str) -> int:
        declared = self._table.column(name)
        if declared is None:
            raise ValueError(f"table {self._table.name} has no column {name}")
        return declared.units

    def _entries(self) -> exp.Select:
        tree = exp.select().from_(exp.to_table(RECORDS, copy=False), copy=False)
        tree, cell = self._grouped(tree)
        tree = tree.select(exp.alias_(cell, "cell", copy=False), copy=False)
        for name, lane in self._lane.items():
            declared = self._table.column(name)
            if declared is None:
                raise ValueError(f"table {self._table.name} has no column {name}")
            value = units(declared, self._bindings) if name in self._summed else column(name, RECORDS)
            tree = tree.select(exp.alias_(value, f"u{lane}", copy=False), copy=False)
        if self._query.where is not None:
            tree = tree.where(condition(self._query.where, self._table, self._bindings), copy=False)
        if self._table.unit is not None:
            unit = column(UNIT, RECORDS)
            present = exp.Not(this=exp.Is(this=unit.copy(), expression=exp.null()))
            tree = tree.select(exp.alias_(unit, "person", copy=False), copy=False)
            tree = tree.where(present, copy=False)
        return tree

    def _grouped(self, tree: exp.Select) -> tuple[exp.Select, exp.Expression]:
        """*tree* joined to its public keys, and the row-major number of the group."""
        cell: exp.Expression = number(0)
        for position, keys in enumerate(key_lists(self._query, self._table)):
            declared = self._table.column(self._query.keys[position])
            assert declared is not None
            digit: exp.Expression = number(len(keys) - 1)  # `other`, unless a code matches
            if declared.codes:
                name = f"k{position}"
                digits: dict[str, int] = {}  # a code listed twice must not count its rows twice
                for i, code in enumerate(declared.codes):
                    digits.setdefault(unicodedata.normalize("NFC", code), i)
                listed = [
                    exp.Tuple(expressions=[self._bindings.bind(code), number(i)])
                    for code, i in digits.items()
                ]
                codes = exp.values(listed, alias=name, columns=["code", "digit"])
                matches = exp.EQ(
                    this=exp.column("code", table=name), expression=column(declared.name, RECORDS)
                )
                tree = tree.join(
                    codes, on=matches, join_type="left" if declared.other else "inner", copy=False
                )
                found = exp.column("digit", table=name)
                digit = exp.Coalesce(this=found, expressions=[digit]) if declared.other else found
            cell = binary(exp.Add, binary(exp.Mul, cell, number(len(keys))), digit) if position else digit
        return tree, cell

    def _people(self) -> exp.Select:
        tree = exp.select(exp.column("person"), exp.column("cell"),
                          exp.alias_(exp.Count(this=exp.Star()), "n", copy=False), copy=False)
        for name, lane in self._lane.items():
            value = exp.column(f"u{lane}")
            tree = tree.select(exp.alias_(exp.Count(this=value), f"n{lane}", copy=False), copy=False)
            if name in self._summed:
                tree = tree.select(exp.alias_(exp.Sum(this=value.copy()), f"s{lane}", copy=False), copy=False)
        tree = tree.from_("entries", copy=False)
        return tree.group_by(exp.column("person"), exp.column("cell"), copy=False)

    def _ranked(self) -> exp.Select:
        text: exp.Expression = self._bindings.bind(self._salt.hex() + _SEPARATOR)
        cell = cast(exp.column("cell"), "text")
        for part in (exp.column("person"), self._bindings.bind(_SEPARATOR), cell):
            text = exp.DPipe(this=text, expression=part)
        order = [exp.Ordered(this=exp.MD5(this=text)), exp.Ordered(this=exp.column("cell"))]
        place = exp.Window(
            this=exp.RowNumber(),
            partition_by=[exp.column("person")],
            order=exp.Order(expressions=order),
        )
        tree = exp.select(exp.Star(), exp.alias_(place, "place", copy=False), copy=False)
        return tree.from_("people", copy=False)

    def _event_worth(self, block: Block) -> exp.Expression:
        """A row's integer; every row is a person of its own."""
        shift = self._bindings.bind(block.shift)
        if not block.column:
            return shift
        value = exp.column(f"u{self._lane[block.column]}")
        worth = shift
        if block.factor:
            kind = integer_type(self._reach(block))
            worth = self._line(cast(value.copy(), kind), block.factor, shift)
        missing = exp.Is(this=value, expression=exp.null())
        return case((missing, number(0)), otherwise=worth)

    def _person_worth(self, block: Block) -> exp.Expression:
        """A person's integer in one group: min(n, k) times the average row, rounded half up."""
        kind = integer_type(self._reach(block))
        lane = self._lane[block.column] if block.column else None
        n = exp.column("n" if lane is None else f"n{lane}")
        k = self._table.rows_per_person
        shift = self._bindings.bind(block.shift)
        within = exp.LTE(this=n, expression=self._bindings.bind(k))
        most = self._bindings.bind(k * block.shift)
        few = binary(exp.Mul, cast(n.copy(), kind), shift)
        if not block.factor:
            return case((within, few), otherwise=cast(most, kind))
        total = cast(exp.column(f"s{lane}"), "int128")
        few = self._line(cast(total.copy(), kind), block.factor, few)
        wide = cast(n.copy(), "int128")
        quotient = exp.IntDiv(this=total, expression=wide)
        remainder = binary(exp.Mod, total.copy(), wide.copy())
        worth = k * block.factor
        rounded = exp.IntDiv(
            this=self._line(remainder, 2 * worth, wide.copy()),
            expression=exp.paren(exp.Mul(this=number(2), expression=wide.copy())),
        )
        many = binary(exp.Add, self._line(exp.paren(quotient), worth, most), exp.paren(rounded))
        none = exp.EQ(this=n.copy(), expression=number(0))
        return case((none, number(0)), (within, few), otherwise=cast(many, kind))

    def _line(self, x: exp.Expression, slope: int, intercept: exp.Expression) -> exp.Expression:
        """slope * x + intercept."""
        return binary(exp.Add, binary(exp.Mul, x, self._bindings.bind(slope)), intercept)
