"""A statistic whose fields contradict its kind is refused by name."""

from dataclasses import replace
from fractions import Fraction

import pytest

from cotally.server.model.catalog import Column, ColumnType
from cotally.server.model.query import Statistic, StatisticKind, Target
from cotally.server.planner.check import check
from cotally.v1.refusals import Refusal, Refused
from tests.unit.server.planner.examples import COLUMNS, PEOPLE, N, ask, people

K = StatisticKind
HALF = Fraction(1, 2)
TABLE = people(columns=(*COLUMNS, Column("w", ColumnType.INTEGER, upper=Fraction(9), weight=True)))


@pytest.mark.parametrize("statistic", [
    Statistic("a", K.VARIANCE, "age"), Statistic("a", K.STDDEV, "income"), Statistic("a", K.PERSONS),
    Statistic("a", K.INCIDENCES), Statistic("a", K.QUANTILE, "age", quantile=HALF),
    Statistic("a", K.QUANTILE, "age", quantile=HALF, bins=1024),
    Statistic("a", K.HISTOGRAM, "age", bins=1024),
    Statistic("a", K.CORR, "age", ("income",)), Statistic("a", K.COVAR, "age", ("income",)),
    Statistic("a", K.REGR, "income", ("age", "w")), Statistic("a", K.SUGGEST_BOUNDS, "income"),
    Statistic("a", K.CLIPPED_LOW, "age"), Statistic("a", K.TRUNCATED),
    Statistic("a", K.MEAN, "age", weight="w"),
    Statistic("a", K.COUNT_ROWS, weight="w", loss=Fraction(1000)), Statistic("a", K.COUNT, "sex", weight="w"),
])  # fmt: skip
def test_a_clear_statistic_passes(statistic: Statistic) -> None:
    check(ask(statistic), TABLE)


@pytest.mark.parametrize("statistic, refusal", [
    (Statistic("it", K.PERSONS, "age"), Refusal.MALFORMED),
    (Statistic("it", K.VARIANCE), Refusal.UNKNOWN_NAME),
    (Statistic("it", K.VARIANCE, "sex"), Refusal.UNSUPPORTED),
    (Statistic("it", K.QUANTILE, "visited", quantile=HALF), Refusal.UNSUPPORTED),
    (Statistic("it", K.CORR, "age", ("sex",)), Refusal.UNSUPPORTED),
    (Statistic("it", K.CORR, "age"), Refusal.MALFORMED),
    (Statistic("it", K.CORR, "age", ("income", "w")), Refusal.MALFORMED),
    (Statistic("it", K.CORR, "age", ("age",)), Refusal.MALFORMED),
    (Statistic("it", K.REGR, "age", ("income", "income")), Refusal.MALFORMED),
    (Statistic("it", K.REGR, "age"), Refusal.MALFORMED),
    (Statistic("it", K.SUM, "age", ("income",)), Refusal.MALFORMED),
    (Statistic("it", K.QUANTILE, "age"), Refusal.MALFORMED),
    (Statistic("it", K.QUANTILE, "age", quantile=Fraction(1)), Refusal.MALFORMED),
    (Statistic("it", K.QUANTILE, "age", quantile=HALF, bins=100), Refusal.UNSUPPORTED),
    (Statistic("it", K.QUANTILE, "age", quantile=HALF, bins=2048), Refusal.UNSUPPORTED),
    (Statistic("it", K.MEAN, "age", quantile=HALF), Refusal.MALFORMED),
    (Statistic("it", K.HISTOGRAM, "age"), Refusal.UNSUPPORTED),
    (Statistic("it", K.HISTOGRAM, "age", bins=1025), Refusal.UNSUPPORTED),
    (Statistic("it", K.SUM, "age", bins=3), Refusal.MALFORMED),
    (Statistic("it", K.SUM, "age", weight="income"), Refusal.UNSUPPORTED),
    (Statistic("it", K.SUM, "w", weight="w"), Refusal.MALFORMED),
    (Statistic("it", K.VARIANCE, "age", weight="w"), Refusal.UNSUPPORTED),
    (Statistic("it", K.SUM, "age", weight="nowhere"), Refusal.UNKNOWN_NAME),
    (Statistic("it", K.SUM, "age", loss=Fraction(0)), Refusal.BAD_PRIVACY),
    (Statistic("it", K.SUM, "age", loss=Fraction(1001)), Refusal.BAD_PRIVACY),
    (Statistic("it", K.SUM, "age", error=Fraction(5)), Refusal.BAD_PRIVACY),
])  # fmt: skip
def test_a_contradiction_is_refused(statistic: Statistic, refusal: Refusal) -> None:
    with pytest.raises(Refused) as refused:
        check(ask(N, statistic), TABLE)
    assert refused.value.refusal is refusal
    columns = {statistic.column, *statistic.others, statistic.weight} - {""}
    assert any(repr(name) in refused.value.message for name in ("it", "", *columns))


def test_errors_are_stated_with_the_clause_or_not_at_all() -> None:
    second = Statistic("second", K.SUM, "age", error=Fraction(5))
    check(ask(N, second, target=Target.ERROR, amount=9), TABLE)
    with pytest.raises(Refused, match="'n'"):
        check(ask(replace(N, error=Fraction(5)), target=Target.ERROR, amount=9), TABLE)
    with pytest.raises(Refused, match="above 0"):
        check(ask(N, replace(second, error=Fraction(0)), target=Target.ERROR, amount=9), TABLE)


def test_persons_need_persons_who_are_in_one_department() -> None:
    with pytest.raises(Refused, match="incidences"):
        check(ask(Statistic("p", K.PERSONS)), people(overlap=2))
    check(ask(Statistic("p", K.INCIDENCES)), people(overlap=2))
    for kind in (K.PERSONS, K.INCIDENCES, K.TRUNCATED):
        with pytest.raises(Refused, match="row"):
            check(ask(Statistic("p", kind)), people(unit=None))
    assert PEOPLE.overlap == 1
