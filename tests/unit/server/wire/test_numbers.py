"""Numbers on the wire have one spelling each."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotally.server.wire.numbers import day, decimal, from_bytes, to_bytes
from cotally.v1.refusals import Refusal, Refused


@given(st.integers(0, 2**4096))
def test_integers_round_trip(number: int) -> None:
    assert from_bytes(to_bytes(number), "a number") == number


def test_leading_zeros_are_refused() -> None:
    with pytest.raises(Refused, match="the modulus has leading zeros") as refused:
        from_bytes(b"\0\x05", "the modulus")
    assert refused.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize("text, value", [
    ("0", 0), ("-1.50", Fraction(-3, 2)), ("0.000001", Fraction(1, 10**6))])
def test_decimals_are_exact(text: str, value: Fraction) -> None:
    assert decimal(text, "a number") == value


@pytest.mark.parametrize("text", [
    "", "1e3", "nan", "inf", "+1", ".5", "1.", "0x1", "1/2", "1" * 41, "1 ", "\u0661"])
def test_other_spellings_of_a_decimal_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="epsilon must be a decimal number"):
        decimal(text, "epsilon")


def test_dates_are_iso() -> None:
    assert day("2026-02-28", "a date") == date(2026, 2, 28)


@pytest.mark.parametrize("text", [
    "2026-02-30", "20260228", "2026-2-28", "", "2026-02-28T00:00", "2026-W09-6"])
def test_other_dates_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="a bound must be a date"):
        day(text, "a bound")
