"""The pass over all blocks with one coordinate per group: sums of rows, products and persons.

1. `entries`, with one lane per distinct thing that is summed.
2. `people`: per person and group, how many rows have a value, and their sum. An event-level table has
   no people.
3. `ranked`: of a person's groups the first g; only where the plan has more than g groups.
4. Per group, the sum over people of the integer that bounding leaves of them.

Rounding splits the shift off, which is exact: floor(c S/n + 1/2) = c shift + floor(c factor U/n + 1/2)
for S = factor U + n shift and c = min(n, k), and U = n q + r leaves only factor c r/n to be rounded.
"""

from collections.abc import Sequence

from sqlglot import exp

from cotally.server.engines import lanes
from cotally.server.engines.entries import Entries, kept, numbered
from cotally.server.engines.lanes import Lane, Line
from cotally.server.engines.terms import Bindings, binary, case, cast, number
from cotally.server.engines.units import NARROW, integer_type
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Block, BlockKind
from cotally.v1.refusals import Refusal, Refused

_ROWS = 2**40  # more rows than one holding has
_EXACT = 2**126  # sums below this are exact in 128-bit integers and in DECIMAL(38, 0)
_FLAGS = (BlockKind.CLIPPED_LOW, BlockKind.CLIPPED_HIGH)


class SummedPass:
    """Compiles one statement for *blocks*, whose rows are (cell, one sum per block)."""

    def __init__(
        self, blocks: Sequence[Block], table: Table, entries: Entries, bindings: Bindings, many_groups: bool
    ) -> None:
        self._blocks = blocks
        self._table = table
        self._entries = entries
        self._bindings = bindings
        self._many_groups = many_groups
        self._k = table.rows_per_person if table.unit is not None else 1
        self._lines: dict[int, Line] = {}
        self._lanes: dict[Lane, str] = {}
        self._counts: dict[frozenset[str], str] = {frozenset(): "n"}
        self._flags: dict[int, str] = {}

    def compile(self) -> exp.Select:
        """The statement. Refuses (UNSUPPORTED) sums that could leave 128 bits; public numbers decide."""
        values = self._rows()
        tree = exp.select(exp.column("cell"), copy=False)
        tree, leaving = self._entries.begin(tree, values)
        if self._table.unit is None:
            source, worth = "entries", self._event_worth
            if leaving:
                tree = tree.where(numbered(), copy=False)
        else:
            tree = tree.with_("people", as_=self._people(leaving), copy=False)
            source, worth = "people", self._person_worth
            if self._many_groups:
                ranked = self._entries.rank("people", exp.RowNumber())
                tree = tree.with_("ranked", as_=ranked, copy=False)
                source, tree = "ranked", tree.where(kept(self._table.groups_per_person), copy=False)
        for position, block in enumerate(self._blocks):
            total = exp.Sum(this=worth(position, block))
            tree = tree.select(exp.alias_(total, f"b{position}", copy=False), copy=False)
        return tree.from_(source, copy=False).group_by(exp.column("cell"), copy=False)

    def _rows(self) -> dict[str, exp.Expression]:
        """The expressions of `entries`, by name: lanes and flags, each once."""
        values: dict[str, exp.Expression] = {}
        for position, block in enumerate(self._blocks):
            if block.kind in _FLAGS:
                name = self._flags[position] = f"f{position}"
                values[name] = lanes.outside(block, self._table, self._bindings)
            elif block.kind not in (BlockKind.PERSONS, BlockKind.TRUNCATED):
                line = self._lines[position] = lanes.line(block, self._table)
                self._check(block, line)
                if line.lane.columns and line.lane not in self._lanes:
                    name = self._lanes[line.lane] = f"u{len(self._lanes)}"
                    values[name] = lanes.value(line.lane, self._table, self._bindings)
        return values

    def _check(self, block: Block, line: Line) -> None:
        product = 2 * self._table.rows_per_person * line.factor
        if max(self._reach(line), product) * _ROWS >= _EXACT:
            what = block.column or "the number of rows"
            raise Refused(Refusal.UNSUPPORTED, f"sums over {what} do not fit 128 bits")

    def _reach(self, line: Line) -> int:
        """Bound on the magnitude of one person's integer and of its two terms."""
        return self._table.rows_per_person * (abs(line.shift) + line.factor * line.most)

    def _people(self, leaving: bool) -> exp.Select:
        tree = exp.select(exp.column("person"), exp.column("cell"),
                          exp.alias_(exp.Count(this=exp.Star()), "n", copy=False), copy=False)
        for lane, name in self._lanes.items():
            if lane.columns not in self._counts:
                count = self._counts[lane.columns] = f"n{name[1:]}"
                tree = tree.select(_named(exp.Count(this=exp.column(name)), count), copy=False)
            if lane.has_value:
                tree = tree.select(_named(exp.Sum(this=exp.column(name)), f"s{name[1:]}"), copy=False)
        for name in self._flags.values():
            tree = tree.select(_named(exp.Max(this=exp.column(name)), name), copy=False)
        tree = tree.from_("entries", copy=False)
        if leaving:
            tree = tree.where(numbered(), copy=False)
        return tree.group_by(exp.column("person"), exp.column("cell"), copy=False)

    def _event_worth(self, position: int, block: Block) -> exp.Expression:
        """A row's integer; every row is a person of its own."""
        if position not in self._lines:
            raise ValueError("a table whose unit is the row has no persons")
        line = self._lines[position]
        shift = self._bindings.bind(line.shift)
        if not line.lane.columns:
            return shift
        value = exp.column(self._lanes[line.lane])
        worth: exp.Expression = shift
        if line.factor:
            kind = integer_type(self._reach(line))
            worth = self._line(cast(value.copy(), kind), line.factor, shift)
        missing = exp.Is(this=value, expression=exp.null())
        return case((missing, number(0)), otherwise=worth)

    def _person_worth(self, position: int, block: Block) -> exp.Expression:
        """A person's integer in one group."""
        if position in self._flags:
            return exp.column(self._flags[position])
        if block.kind is BlockKind.PERSONS:
            return number(1)
        if block.kind is BlockKind.TRUNCATED:
            beyond = exp.GT(this=exp.column("n"), expression=self._bindings.bind(self._k))
            return case((beyond, number(1)), otherwise=number(0))
        return self._average_worth(self._lines[position])

    def _average_worth(self, line: Line) -> exp.Expression:
        """min(n, k) times the average row, rounded half up."""
        kind, k = integer_type(self._reach(line)), self._k
        n = exp.column(self._counts[line.lane.columns])
        shift = self._bindings.bind(line.shift)
        within = exp.LTE(this=n, expression=self._bindings.bind(k))
        few = binary(exp.Mul, cast(n.copy(), kind), shift)
        if not line.factor:
            return case((within, few), otherwise=cast(self._bindings.bind(k * line.shift), kind))
        few = self._line(cast(self._total(line), kind), line.factor, few)
        none = exp.EQ(this=n.copy(), expression=number(0))
        steps: list[tuple[exp.Expression, exp.Expression]] = [(none, number(0)), (within, few)]
        narrow = self._narrow_rows(line)
        if narrow >= _ROWS:
            return case(*steps, otherwise=self._many(line, "bigint"))
        if narrow > k:
            beyond = exp.LTE(this=n.copy(), expression=self._bindings.bind(narrow))
            steps.append((beyond, self._many(line, "bigint")))
        return case(*steps, otherwise=cast(self._many(line, "int128"), kind))

    def _narrow_rows(self, line: Line) -> int:
        """Up to how many rows of a person 64 bits carry `_many`; 0 where they cannot carry its result."""
        if integer_type(self._reach(line)) != "bigint":
            return 0
        return (NARROW - 1) // max(line.most, 2 * self._k * line.factor + 1)

    def _many(self, line: Line, kind: str) -> exp.Expression:
        """k times the average row of more than k, rounded half up, in integers of *kind*."""
        total, n = cast(self._total(line), kind), cast(exp.column(self._counts[line.lane.columns]), kind)
        worth = self._k * line.factor
        quotient = exp.IntDiv(this=total, expression=n)
        remainder = binary(exp.Mod, total.copy(), n.copy())
        rounded = exp.IntDiv(
            this=self._line(remainder, 2 * worth, n.copy()),
            expression=exp.paren(exp.Mul(this=number(2), expression=n.copy())),
        )
        most = self._bindings.bind(self._k * line.shift)
        return binary(exp.Add, self._line(exp.paren(quotient), worth, most), exp.paren(rounded))

    def _total(self, line: Line) -> exp.Expression:
        return exp.column(f"s{self._lanes[line.lane][1:]}")

    def _line(self, x: exp.Expression, slope: int, intercept: exp.Expression) -> exp.Expression:
        """slope * x + intercept."""
        return binary(exp.Add, binary(exp.Mul, x, self._bindings.bind(slope)), intercept)


def _named(tree: exp.Expression, name: str) -> exp.Expression:
    return exp.Alias(this=tree, alias=exp.to_identifier(name))
