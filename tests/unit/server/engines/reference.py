"""Bounding and encoding again, in plain Python and straight from the design: the engines' oracle.

Nothing here is shared with the engines; numbers are Fractions and Python integers wherever the
design speaks of exact ones.
"""

import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise

from cotally.server.model.catalog import Column, ColumnType, Derived, Table
from cotally.server.model.plan import Block, BlockKind, LeafScale, Leaves, Plan
from cotally.server.model.query import (
    All,
    Any,
    Comparison,
    Derivation,
    Literal,
    Membership,
    Not,
    NullTest,
    Operator,
    Predicate,
    Query,
)

Value = int | float | str | date | None
Record = Mapping[str, str]  # a cell's text by column name

SPACE = " \t\n\v\f"


def decode(column: Column, text: str) -> Value:
    """What a CSV cell holds."""
    bare = text.strip(SPACE)
    if column.type is ColumnType.CATEGORY:
        if text == "" or "\0" in text or len(text) > 1000:
            return None
        if column.integer_codes and re.fullmatch(r"[+-]?[0-9]+(\.0*)?", bare):
            return str(int(bare.split(".")[0]))
        return unicodedata.normalize("NFC", text)
    if column.type is ColumnType.DATE:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", bare):
            return None
        try:
            return date(*map(int, bare.split("-")))
        except ValueError:
            return None
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?", bare, re.I):
        return None
    double = float(bare)
    if column.type is ColumnType.FLOAT:
        return double + 0.0
    if re.fullmatch(r"[+-]?\.[0-9]+", bare):
        return None  # an integer begins with a digit
    if math.isinf(double):
        return 2**63 - 1 if double > 0 else -(2**63)
    exact = Fraction(bare)
    return max(-(2**63), min(2**63 - 1, int(exact))) if exact.denominator == 1 else None


def unit_of(text: str) -> str | None:
    """The privacy unit that a CSV cell names."""
    missing = text.strip(" ").lower() in ("", "nan", "na", "none", "null") or "\0" in text
    return None if missing else text


def holds(predicate: Predicate, row: Mapping[str, Value], table: Table) -> bool | None:
    """SQL's three-valued truth."""
    match predicate:
        case All(operands):
            found = [holds(p, row, table) for p in operands]
            return False if False in found else None if None in found else True
        case Any(operands):
            found = [holds(p, row, table) for p in operands]
            return True if True in found else None if None in found else False
        case Not(operand):
            truth = holds(operand, row, table)
            return None if truth is None else not truth
        case NullTest(name):
            return row[name] is None
        case Membership(name, literals):
            return None if row[name] is None else any(_equal(row[name], x) for x in literals)
        case Comparison(name, operator, literal):
            value = row[name]
            if value is None:
                return None
            less, equal = _less(value, literal), _equal(value, literal)
            return {
                Operator.EQ: equal,
                Operator.NE: not equal,
                Operator.LT: less,
                Operator.LE: less or equal,
                Operator.GT: not less and not equal,
                Operator.GE: not less,
            }[operator]


def _less(value: Value, literal: Literal) -> bool:
    if isinstance(value, float):
        return value < float(literal)  # type: ignore[arg-type]
    return value < literal  # type: ignore[operator]


def _equal(value: Value, literal: Literal) -> bool:
    if isinstance(value, float):
        return value == float(literal)  # type: ignore[arg-type]
    return value == literal


def units(column: Column, value: int | float) -> int:
    """A value as whole units above the lower bound."""
    if isinstance(value, int):
        return min(max(value, int(column.lower)), int(column.upper)) - int(column.lower)
    low, high = float(column.lower), float(column.upper)
    u = math.floor((min(max(value, low), high) - low) / float(column.resolution) + 0.5)
    return min(max(u, 0), column.units)


def measure(records: Sequence[Record], query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
    """The vector that an engine must return for these records."""
    lists = [table.column(name).keys for name in query.keys]  # type: ignore[union-attr]
    count = math.prod(map(len, lists))
    people: dict[object, dict[int, list[dict[str, Value]]]] = defaultdict(lambda: defaultdict(list))
    for number, record in enumerate(records):
        row = {c.name: decode(c, record[c.name]) for c in table.columns if c.derived is None}
        person: object = number if table.unit is None else unit_of(record[table.unit])
        group = _group(row, query, table, lists)
        if person is None or group is None:
            continue
        if query.where is not None and holds(query.where, row, table) is not True:
            continue
        people[person][group].append(row)

    totals = [[0] * (count * block.width) for block in plan.blocks]
    for person, reached in people.items():
        kept = sorted(reached)
        if table.unit is not None and count > table.groups_per_person:
            kept.sort(key=lambda g: (_hash(salt, str(person), g), g))
            kept = kept[: table.groups_per_person]
        for group in kept:
            for i, block in enumerate(plan.blocks):
                for place, integer in enumerate(contribution(block, reached[group], table)):
                    totals[i][group * block.width + place] += integer
    vector = [0] * plan.coordinates
    for i, block in enumerate(plan.blocks):
        for place in range(block.cells):
            refined = block.refinement * totals[i][place]
            vector[block.offset + place] = min(max(refined, block.low), block.high)
    return vector


def contribution(block: Block, rows: Sequence[Mapping[str, Value]], table: Table) -> list[int]:
    """What a person with *rows* (at least one) in a group adds to the group's coordinates of *block*."""
    k = 1 if table.unit is None else table.rows_per_person
    if block.kind is BlockKind.PERSONS:
        return [1]
    if block.kind is BlockKind.TRUNCATED:
        return [int(len(rows) > k)]
    if block.kind in (BlockKind.CLIPPED_LOW, BlockKind.CLIPPED_HIGH):
        return [int(any(_outside(block, row, table) for row in rows))]
    named = {block.column, *block.present} - {""} | ({block.second.column} if block.second else set())
    whole = [row for row in rows if all(row[name] is not None for name in named)]
    if block.leaves is not None:
        return _in_leaves(block, whole, table, k)
    return [_average([_worth(block, row, table) for row in whole], k)]


def _outside(block: Block, row: Mapping[str, Value], table: Table) -> bool:
    column, value = table.column(block.column), row[block.column]
    assert column is not None
    if value is None:
        return False
    assert isinstance(value, int | float)
    return value < column.lower if block.kind is BlockKind.CLIPPED_LOW else value > column.upper


def _worth(block: Block, row: Mapping[str, Value], table: Table) -> int:
    if block.kind is BlockKind.COUNT:
        return block.shift
    worth = 1
    for form in (block.form, block.second) if block.second else (block.form,):
        assert form is not None
        worth *= form.of(_unit(form.column, row, table))
    return worth


def _unit(name: str, row: Mapping[str, Value], table: Table) -> int:
    column, value = table.column(name), row[name]
    assert column is not None and isinstance(value, int | float)
    return units(column, value)


def _average(worths: Sequence[int], k: int) -> int:
    n = len(worths)
    return math.floor(Fraction(min(n, k) * sum(worths), n) + Fraction(1, 2)) if n else 0


def _in_leaves(block: Block, rows: Sequence[Mapping[str, Value]], table: Table, k: int) -> list[int]:
    assert block.leaves is not None
    column = table.column(block.column)
    assert column is not None
    begins = first_units(column, block.leaves)
    units_of_rows = [_unit(block.column, row, table) for row in rows]
    n = len(rows)
    upto = [0]
    for end in (*begins[1:], column.units + 1):
        below = sum(unit < end for unit in units_of_rows)
        upto.append(math.floor(Fraction(min(n, k) * below, n) + Fraction(1, 2)) if n else 0)
    cells = [after - before for before, after in pairwise(upto)]
    if block.kind is BlockKind.CELLS:
        return cells
    nodes: list[int] = []
    size = len(cells) // 2
    while size:
        nodes += [sum(cells[start : start + size]) for start in range(0, len(cells), size)]
        size //= 2
    return nodes


def first_units(column: Column, leaves: Leaves) -> list[int]:
    """The first unit of each leaf, by trying every unit of a small column or by the page's formula."""
    if leaves.scale is LeafScale.EVEN:
        width = Fraction(max(column.units, 1), leaves.count)
        return [math.ceil(leaf * width) for leaf in range(leaves.count)]
    values = {Fraction(0)}
    for i in range(200):
        values |= {column.resolution * 2**i, -column.resolution * 2**i}
    values = {value for value in values if column.lower < value <= column.upper}
    inside = {math.ceil((value - column.lower) / column.resolution) for value in values}
    return [0, *sorted(u for u in inside if 0 < u <= column.units)]


def _hash(salt: bytes, person: str, group: int) -> str:
    return hashlib.md5(b"\x1f".join([salt.hex().encode(), person.encode(), str(group).encode()])).hexdigest()


def _group(
    row: Mapping[str, Value], query: Query, table: Table, lists: Sequence[tuple[str, ...]]
) -> int | None:
    group = 0
    for name, keys in zip(query.keys, lists, strict=True):
        column = table.column(name)
        assert column is not None
        if column.derived is not None:
            digit = _computed(column, column.derived, row, table)
            if digit is None:
                return None
            group = group * len(keys) + digit
            continue
        codes = [unicodedata.normalize("NFC", code) for code in column.codes]
        code = row[name]
        if code in codes:
            digit = codes.index(str(code))
        elif column.other:
            digit = len(keys) - 1
        else:
            return None
        group = group * len(keys) + digit
    return group


def _computed(key: Column, derived: Derived, row: Mapping[str, Value], table: Table) -> int | None:
    """The position of a computed key's cell."""
    source, value = table.column(derived.source), row[derived.source]
    assert source is not None
    missing = len(key.codes) if key.other else None
    if value is None:
        return missing
    if derived.derivation is Derivation.BIN:
        assert isinstance(value, int | float)
        return min(units(source, value) // derived.width, len(key.codes) - 1)
    assert isinstance(value, date)
    if not source.first <= value <= source.last:
        return missing
    part = {
        Derivation.YEAR: value.year,
        Derivation.QUARTER: (value.month + 2) // 3,
        Derivation.MONTH: value.month,
    }[derived.derivation]
    return key.codes.index(str(part))
