"""Python and NumPy values as they would be written in a question."""

from datetime import date, datetime
from decimal import Decimal

import numpy as np

from cotally.v1.refusals import Refusal, Refused

from .question.draft import Day, Name, Number, Text, Value
from .question.names import echo

PyNumber = int | float | Decimal | str
PyValue = int | float | Decimal | str | date


def name_of(name: object) -> Name:
    """Return a name; TypeError for what is no text, Refused MALFORMED for half a surrogate pair."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a text, not {type(name).__name__}")
    _check_text(name)
    return Name(name)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(Refusal.MALFORMED, f"{echo(text)!r} is not valid Unicode") from None


def value_of(value: object) -> Value:
    """Return a Python or NumPy value as written in a question; Refused MALFORMED if there is no such form."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, str):
        _check_text(plain)
        return Text(plain)
    if isinstance(plain, date) and not isinstance(plain, datetime):
        return Day(plain.isoformat())
    number = _digits(plain)
    if number is None:
        raise Refused(Refusal.MALFORMED, f"a value of type {type(value).__name__} cannot stand in a question:"
                      " use a number, a text or a date; for missing values write .is_null()")
    return Number(number)


def amount_of(key: str, value: object) -> Number:
    """Return the number that *key* is set to; Refused BAD_PRIVACY if it is none."""
    plain = value.item() if isinstance(value, np.generic) else value
    number = plain if isinstance(plain, str) else _digits(plain)
    if number is None:
        raise Refused(Refusal.BAD_PRIVACY, f"{key} of type {type(value).__name__} is not accepted:"
                      " use a number, or its digits as text")
    return Number(number)


def _digits(value: object) -> str | None:
    """Return the shortest digits of a number; None for what is no number. NaN and inf show as such."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if value.bit_length() < 1000 else f"{'-' if value < 0 else ''}1e999"
    if isinstance(value, float):
        return repr(value)
    return str(value) if isinstance(value, Decimal) else None
