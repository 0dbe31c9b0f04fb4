"""Numbers as people write them, kept exact: plain decimal digits in, plain decimal digits out."""

import re
from decimal import Decimal
from typing import Final

MAX_DIGITS: Final = 40
_NUMBER: Final = re.compile(r"-?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,3})?")


def exact(text: str) -> Decimal | None:
    """Return the value of *text*; None if it is no decimal number or has more than 40 digits.

    >>> exact("1e-3"), exact("0x10"), exact("nan"), exact("1e400")
    (Decimal('0.001'), None, None, None)
    """
    if _NUMBER.fullmatch(text) is None:
        return None
    value = Decimal(text)
    if not value:
        return Decimal(0)
    _, digits, exponent = value.as_tuple()
    whole = len(digits) + int(exponent)
    return value if whole <= MAX_DIGITS and -int(exponent) <= MAX_DIGITS else None


def plain(value: Decimal) -> str:
    """Return *value* without exponent and trailing zeros: `[-]digits[.digits]`.

    >>> plain(Decimal("1e-3")), plain(Decimal("100")), plain(Decimal("2.50")), plain(Decimal("-0.0"))
    ('0.001', '100', '2.5', '0')
    """
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
