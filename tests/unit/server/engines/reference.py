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

from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import (
    All,
    Any,
    Comparison,
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
        if text == "" or "\0" in text:
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
        row = {c.name: decode(c, record[c.name]) for c in table.columns}
        person: object = number if table.unit is None else unit_of(record[table.unit])
        group = _group(row, query, table, lists)
        if person is None or group is None:
            continue
        if query.where is not None and holds(query.where, row, table) is not True:
            continue
        people[person][group].append(row)

    totals = [[0] * count for _ in plan.blocks]
    for person, reached in people.items():
        kept = sorted(reached)
        if table.unit is not None and count > table.groups_per_person:
            kept.sort(key=lambda g: (_hash(salt, str(person), g), g))
            kept = kept[: table.groups_per_person]
        for group in kept:
            for i, block in enumerate(plan.blocks):
                worths = []
                for row in reached[group]:
                    value = row[block.column] if block.column else 0
                    if value is None:
                        continue
                    u = 0
                    if block.factor:
                        column = table.column(block.column)
                        assert column is not None and isinstance(value, int | float)
                        u = units(column, value)
                    worths.append(block.factor * u + block.shift)
                n = len(worths)
                if n:
                    average = Fraction(min(n, table.rows_per_person) * sum(worths), n)
                    totals[i][group] += math.floor(average + Fraction(1, 2))
    vector = [0] * plan.coordinates
    for i, block in enumerate(plan.blocks):
        for group in range(count):
            refined = block.refinement * totals[i][group]
            vector[block.offset + group] = min(max(refined, block.low), block.high)
    return vector


def _hash(salt: bytes, person: str, group: int) -> str:
    return hashlib.md5(b"\x1f".join([salt.hex().encode(), person.encode(), str(group).encode()])).hexdigest()


def _group(
    row: Mapping[str, Value], query: Query, table: Table, lists: Sequence[tuple[str, ...]]
) -> int | None:
    group = 0
    for name, keys in zip(query.keys, lists, strict=True):
        column = table.column(name)
        assert column is not None
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
