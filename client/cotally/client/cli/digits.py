"""Numbers as people read them: as many digits as the error makes meaningful."""

import math
from collections.abc import Iterable
from decimal import Decimal

NOTHING = "–"


def decimals_for(half_widths: Iterable[float | None]) -> int:
    """Decimal places that show the smallest of *half_widths* with two digits: 0 to 6.

    >>> decimals_for([56.1, 1200.0]), decimals_for([3.4, None]), decimals_for([])
    (0, 1, 0)
    """
    known = [width for width in half_widths if width is not None and width > 0 and math.isfinite(width)]
    return min(6, max(0, 1 - math.floor(math.log10(min(known))))) if known else 0


def number(value: float | None, decimals: int = 0) -> str:
    """*value* with thousands separated, never "-0"; a dash for None.

    >>> number(-0.2), number(1234567.25, 1), number(None)
    ('0', '1,234,567.2', '–')
    """
    if value is None:
        return NOTHING
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not float(text.replace(",", "")) else text


def loss(value: float | str | Decimal | None) -> str:
    """A privacy loss with four digits; "no limit" for None.

    >>> loss("0.020884379606"), loss(10.0), loss(None)
    ('0.02088', '10', 'no limit')
    """
    return "no limit" if value is None else f"{float(value):.4g}"
