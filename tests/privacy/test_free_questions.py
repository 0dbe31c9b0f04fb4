"""Asking is free: no question keeps a party busy, breaks the planner or buys noise below its price."""

import time
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.model.account import PICO
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Plan, Rules
from cotally.server.model.query import (
    ColumnBounds,
    Derivation,
    DerivedKey,
    Mechanism,
    Privacy,
    Query,
    Statistic,
    StatisticKind,
    Target,
)
from cotally.server.planner import limits
from cotally.server.planner.check import check
from cotally.server.planner.error import expected_errors
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective
from cotally.v1.refusals import Refusal, Refused

K, D = StatisticKind, Derivation
SECONDS = 6.0  # of one core; a party that answers others meanwhile must not be gone for longer
FINE = Fraction(1, 10**18)
RULES = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=10**6, modulus_bits=2048)
COLUMNS = (
    *(Column(f"x{i}", ColumnType.FLOAT, True, Fraction(-i - 1), Fraction(1000 + i), Fraction(1, 100))
      for i in range(40)),
    Column("fine", ColumnType.FLOAT, upper=999_999 * FINE, resolution=FINE),
    Column("whole", ColumnType.INTEGER, lower=Fraction(-(2**52)), upper=Fraction(2**52)),
    Column("flat", ColumnType.INTEGER, lower=Fraction(7), upper=Fraction(7)),
    Column("w", ColumnType.FLOAT, upper=Fraction(5), resolution=Fraction(1, 4), weight=True),
    Column("none", ColumnType.FLOAT, weight=True),
    Column("sex", ColumnType.CATEGORY, codes=("0", "1"), other=True),
    Column("day", ColumnType.DATE),
)
PEOPLE = Table("people", "residents", "pid", 2, 3, 2, 100_000, 100_000, 3, "v", COLUMNS,
               ("a", "b", "c", "d", "e"))


def ask(
    *statistics: Statistic, target: Target = Target.RHO, amount: Fraction | int = 1,
    mechanism: Mechanism = Mechanism.GAUSSIAN, keys: tuple[str, ...] = (),
    derived: tuple[DerivedKey, ...] = (), bounds: tuple[ColumnBounds, ...] = (),
) -> Query:
    """A question about the people."""
    privacy = Privacy(target, Fraction(amount), Fraction(19, 20), mechanism)
    return Query("people", keys, statistics, None, privacy, bounds=bounds, derived=derived)


def answer(query: Query) -> Plan:
    """What every party does with a question before anybody pays."""
    table = effective(query, PEOPLE, ())
    check(query, table)
    plan = make_plan(query, table, RULES)
    expected_errors(query, table, plan)
    return plan


COUNT = Statistic("n", K.COUNT_ROWS)


def bins(*widths: Fraction) -> Query:
    """A count by as many bins of the finest column."""
    derived = tuple(DerivedKey(f"b{i}", D.BIN, "fine", width) for i, width in enumerate(widths))
    return ask(COUNT, keys=tuple(key.name for key in derived), derived=derived)


def regressions(columns: int, error: Fraction | None) -> Query:
    """As many regressions as one question takes, each of another column on eight of *columns*."""
    found = [
        Statistic(f"r{i}", K.REGR, f"x{i % columns}", tuple(f"x{(i + 1 + j) % columns}" for j in range(8)),
                  error=error if i else None)
        for i in range(limits.MAX_STATISTICS)
    ]
    target = Target.RHO if error is None else Target.ERROR
    return ask(*found, target=target, amount=error or 1)


def fewer(query: Query, statistics: int) -> Query:
    """*query* with the first of its statistics only."""
    return replace(query, statistics=query.statistics[:statistics])


def medians(error: Fraction) -> Query:
    """As many quantiles as one question takes, each with its error."""
    return ask(*(Statistic(f"m{i}", K.QUANTILE, f"x{i % 12}", quantile=Fraction(1, 2 + i), bins=1024,
                           error=error if i else None) for i in range(limits.MAX_STATISTICS)),
               target=Target.ERROR, amount=error)


HEAVY = {
    "a million cells": bins(FINE),
    "two keys of a million cells": bins(FINE, FINE),
    "sixteen keys of a million cells": bins(*[FINE] * 16),
    "a thousand keys": bins(*[999_999 * FINE] * 1000),
    "sixty-four regressions": regressions(40, None),
    "as many blocks as may be": fewer(regressions(40, Fraction(1, 10)), 18),
    "sixty-four regressions of nine columns": regressions(9, None),
    "sixty-four regressions with errors": regressions(40, Fraction(1, 10)),
    "sixty-four regressions of nine columns with errors": regressions(9, Fraction(1, 10)),
    "sixty-four medians with errors": medians(Fraction(100)),
    "thousands of bounds": ask(COUNT, bounds=(ColumnBounds("x0", Fraction(0), Fraction(1)),) * 10_000),
    "totals that cannot fit": ask(*(Statistic(f"s{i}", K.SUM, "whole") for i in range(64)),
                                  target=Target.EPSILON, amount=Fraction(1, 10**4)),
}


@pytest.mark.parametrize("question", HEAVY)
def test_no_question_keeps_a_party_busy(question: str) -> None:
    start = time.process_time()
    try:
        answer(HEAVY[question])
    except Refused as refused:
        assert refused.refusal in (Refusal.UNSUPPORTED, Refusal.BAD_PRIVACY, Refusal.MALFORMED)
    assert time.process_time() - start < SECONDS


absurd = st.sampled_from([
    Fraction(10) ** power * sign for power in (-300, -40, -18, -9, -3, 0, 2, 9, 40, 300) for sign in (1, -1)
] + [Fraction(0), Fraction(1, 3), Fraction(99_999, 100_000)])
names = st.sampled_from([column.name for column in COLUMNS[35:]] + ["", "nobody", "k0"])
statistics = st.builds(
    Statistic, st.sampled_from(["a", "b", "c"]), st.sampled_from(list(K)), names,
    st.lists(names, max_size=3).map(tuple), st.none() | absurd,
    st.sampled_from([0, 1, 2, 3, 1024, 1025, 2**31]), st.sampled_from(["", "", "w", "none", "x39"]),
    st.just(Fraction(1)) | absurd, st.none() | absurd,
)
sensible = st.sampled_from([
    COUNT, Statistic("s", K.SUM, "x39"), Statistic("m", K.MEAN, "whole"), Statistic("v", K.VARIANCE, "fine"),
    Statistic("c", K.CORR, "x36", ("flat",)), Statistic("h", K.HISTOGRAM, "whole", bins=1024),
    Statistic("q", K.QUANTILE, "flat", quantile=Fraction(1, 10**40), bins=2),
    Statistic("b", K.SUGGEST_BOUNDS, "whole"), Statistic("w", K.MEAN, "x38", weight="none"),
    Statistic("r", K.REGR, "x37", ("x38", "flat")), Statistic("i", K.INCIDENCES),
])
questions = st.builds(
    Query, st.just("people"), st.lists(st.sampled_from(["sex", "k0", "k1"]), max_size=3).map(tuple),
    st.lists(statistics | sensible, min_size=1, max_size=4).map(tuple), st.none(),
    st.builds(Privacy, st.sampled_from(list(Target)), absurd, st.just(Fraction(19, 20)),
              st.sampled_from(list(Mechanism))),
    bounds=st.lists(st.builds(ColumnBounds, names, absurd, absurd), max_size=1).map(tuple),
    derived=st.lists(
        st.builds(DerivedKey, st.sampled_from(["k0", "k1"]), st.sampled_from(list(D)), names,
                  st.none() | absurd, st.booleans()), max_size=2).map(tuple),
)


def priced(query: Query) -> None:
    """The price is within what was asked for, is that of the blocks, and pays for their noise."""
    try:
        plan = answer(query)
    except Refused:
        return
    assert plan.pico_loss == sum(block.pico_loss for block in plan.blocks) > 0
    if query.privacy.target is Target.RHO:
        assert plan.pico_loss <= query.privacy.amount * PICO + len(plan.blocks)
    for block in plan.blocks:
        if plan.mechanism is Mechanism.GAUSSIAN:
            rho = block.l2_squared / (2 * plan.honest * block.scale.fraction() ** 2)
        else:
            rho = (block.l1 / block.scale.fraction()) ** 2 / 2
        assert rho * PICO <= block.pico_loss


test_absurd_questions_are_refused_by_name_or_priced_in_full = settings(max_examples=300, deadline=None)(
    given(questions)(priced))
test_absurd_questions_are_refused_by_name_or_priced_in_full_at_length = pytest.mark.slow(
    settings(max_examples=3000, deadline=None)(given(questions)(priced)))


def test_a_price_in_full_is_no_less_than_that() -> None:
    """The check above sees a block whose noise is one in a million too narrow."""
    plan = answer(ask(COUNT))
    block = replace(plan.blocks[0], pico_loss=plan.blocks[0].pico_loss * (10**6 - 1) // 10**6)
    rho = block.l2_squared / (2 * plan.honest * block.scale.fraction() ** 2)
    assert rho * PICO > block.pico_loss
