"""The pico-rho of every block where errors are stated: each is met, and none is paid for twice."""

from fractions import Fraction
from math import ceil
from typing import Final

from cotally.v1.refusals import Refusal, Refused

from ..dp.rounding import decimal_text
from ..model.account import PICO
from ..model.catalog import Table
from ..model.query import Query
from . import limits
from .layout import Layout
from .split import parts, shares
from .stated_error import StatedError

_SWEEPS: Final = 3  # of settling what statistics that share blocks can leave to each other


def stated_pico_rho(query: Query, table: Table, layout: Layout) -> list[int]:
    """The pico-rho of each block: what the stated errors need, and for statistics without one the like.

    A statistic counts on what others give to the blocks that it shares with them and buys the rest, in
    turn and repeatedly, so that nothing is bought that another one already needs. Statistics that state
    no error get the average price of a part. Raises Refused BAD_PRIVACY for an error out of range.
    """
    split = parts(query, table, layout)
    whole = shares(layout, split)
    stated = {
        position: StatedError(query, table, layout, position, split[position])
        for position, statistic in enumerate(query.statistics)
        if position == 0 or statistic.error is not None
    }
    amounts = {i: query.statistics[i].error or query.privacy.amount for i in stated}
    for i, each in stated.items():
        least, most = each.range(whole)
        if i and not least <= amounts[i] <= most:
            raise Refused(
                Refusal.BAD_PRIVACY,
                f"the error {decimal_text(amounts[i])} of {query.statistics[i].alias!r} is out of range: it "
                f"must lie between {decimal_text(least)} and {decimal_text(most)}",
            )
    prices = dict.fromkeys(stated, 0)
    for _ in range(_SWEEPS if len(stated) > 1 else 1):
        for i, each in stated.items():
            given = _needed(layout, {j: stated[j] for j in stated if j != i}, prices)
            prices[i] = each.pico_rho(amounts[i], given)
    needed = _needed(layout, stated, prices)
    average = Fraction(sum(prices.values()), len(prices))
    spent = [own or ceil(average * part) for own, part in zip(needed, whole, strict=True)]
    if sum(spent) > limits.MOST_RHO * PICO * (1 + Fraction(1, 10**6)):
        raise Refused(Refusal.BAD_PRIVACY, "the stated errors together need a rho above 100; widen one")
    return spent


def _needed(layout: Layout, stated: dict[int, StatedError], prices: dict[int, int]) -> list[int]:
    """The largest pico-rho that any of *stated* wants of each block."""
    needed = [0] * len(layout.encodings)
    for i, each in stated.items():
        for block, pico_rho in each.spent(prices[i]).items():
            needed[block] = max(needed[block], pico_rho)
    return needed
