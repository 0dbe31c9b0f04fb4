"""Numbers as they travel: big-endian integers, exact decimals, rationals."""

import re
from datetime import date
from fractions import Fraction

from cotally.v1.refusals import Refusal, Refused

_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


def to_bytes(number: int) -> bytes:
    """Big-endian bytes of *number* >= 0 without leading zeros; 0 is empty."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def from_bytes(data: bytes, what: str) -> int:
    """The integer in *data*; refuses leading zeros, of which signatures would be ambiguous."""
    if data[:1] == b"\0":
        raise Refused(Refusal.MALFORMED, f"{what} has leading zeros")
    return int.from_bytes(data, "big")


def decimal(text: str, what: str) -> Fraction:
    """The exact value of [-]digits[.digits]; refuses every other spelling."""
    if not _DECIMAL.fullmatch(text):
        raise Refused(Refusal.MALFORMED, f"{what} must be a decimal number, not {text[:40]!r}")
    return Fraction(text)


def day(text: str, what: str) -> date:
    """The date in *text*, YYYY-MM-DD."""
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.isoformat() != text:
        raise Refused(Refusal.MALFORMED, f"{what} must be a date as YYYY-MM-DD, not {text[:40]!r}")
    return parsed


def rational(number: Fraction) -> str:
    """The canonical text "a/b" of *number*, or "a" for an integer."""
    return str(number)
