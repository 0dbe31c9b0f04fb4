"""Turns a written value into the literal that a column's type asks for."""

import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Final

from cotally.v1.catalog_pb2 import Column, ColumnType
from cotally.v1.query_pb2 import Literal
from cotally.v1.refusals import Refusal, Refused

from .decimals import exact, plain
from .draft import Day, Number, Text, Value
from .names import describe, echo, listing, nearest

_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MAX_NUMBER: Final = 2**63 - 1
MAX_DECIMALS: Final = 18
_NUMBERS: Final = f"a number without quotes, up to 2^63, of at most {MAX_DECIMALS} decimals"


def literal(column: Column, value: Value) -> Literal:
    """Return *value* as a literal of *column*; Refused MALFORMED (type) or UNKNOWN_NAME (code)."""
    if column.type == ColumnType.COLUMN_TYPE_INTEGER:
        number = _number(column, value)
        whole = number == int(number)
        return Literal(integer=int(number)) if whole else Literal(decimal=plain(number))
    if column.type == ColumnType.COLUMN_TYPE_FLOAT:
        return Literal(decimal=plain(_number(column, value)))
    if column.type == ColumnType.COLUMN_TYPE_DATE:
        return Literal(date=_day(column, value))
    return Literal(text=_code(column, value))


def _number(column: Column, value: Value) -> Decimal:
    number = exact(value.text) if isinstance(value, Number) else None
    if number is None or abs(number) > MAX_NUMBER or _decimals(number) > MAX_DECIMALS:
        raise _mismatch(column, value, _NUMBERS)
    return number


def _decimals(number: Decimal) -> int:
    _, point, fraction = plain(number).partition(".")
    return len(fraction) if point else 0


def _day(column: Column, value: Value) -> str:
    if isinstance(value, Text | Day) and _ISO_DAY.fullmatch(value.text):
        try:
            return date.fromisoformat(value.text).isoformat()
        except ValueError:
            pass  # the 30th of February
    raise _mismatch(column, value, "a date such as '2024-03-31'")


def _code(column: Column, value: Value) -> str:
    if isinstance(value, Day):
        raise _mismatch(column, value, "one of its codes, as text")
    code = unicodedata.normalize("NFC", value.text)
    if code not in column.codes and column.integer_codes:
        number = exact(code)
        code = str(int(number)) if number is not None and number == int(number) else code
    if code in column.codes:
        return code
    if isinstance(value, Number) and not any(exact(c) is not None for c in column.codes):
        raise _mismatch(column, value, f"one of its codes, as text: {listing(map(_quoted, column.codes))}")
    if code.casefold() == "other" and column.other:
        known = f"its other cell, for NULL and unlisted codes, cannot be compared; {echo(column.name)} has"
    else:
        known = f"{nearest(code, column.codes)}{echo(column.name)} has"
    raise Refused(
        Refusal.UNKNOWN_NAME,
        f"unknown code {_quoted(code)} of {echo(column.name)}: {known} {listing(map(_quoted, column.codes))}"
        + value.at,
    )


def _quoted(code: str) -> str:
    return "'" + echo(code).replace("'", "''") + "'"


def _mismatch(column: Column, value: Value, wanted: str) -> Refused:
    written = echo(value.text) if isinstance(value, Number) else _quoted(value.text)
    return Refused(
        Refusal.MALFORMED, f"{describe(column)} and {written} does not fit it: write {wanted}{value.at}"
    )
