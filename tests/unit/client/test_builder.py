"""The fluent interface makes the messages that SQL makes, and refuses what SQL refuses."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest

from cotally.client.builder import Condition, TableQuery, avg, col, count, sum_
from cotally.v1.canonical import canonical
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.asking import CATALOG, PRIVACY, ask

PEOPLE = TableQuery("people")
COUNTED = PEOPLE.agg(count()).with_privacy(epsilon=1)


def test_the_whole_question() -> None:
    fluent = (
        PEOPLE.where(col("age").between(18, 64))
        .where((col("sex") == "1") | ~col("region").isin(["north", "south"]))
        .group_by("sex", "region")
        .agg(sum_("income"), n=count(), filled=count("income"), mean=avg("age"))
        .with_privacy(rho=Decimal("0.50"), confidence=0.9, mechanism="laplace", purpose="statistics")
    )
    sql = ask(
        "SELECT sex, region, SUM(income), COUNT(*) AS n, COUNT(income) AS filled, AVG(age) AS mean "
        "FROM people WHERE age BETWEEN 18 AND 64 AND (sex = 1 OR region NOT IN ('south', 'north'))"
        " GROUP BY sex, region "
        "WITH PRIVACY (rho = 5e-1, confidence = 0.9, mechanism = 'laplace', purpose = 'statistics')"
    )
    assert canonical(fluent.query(CATALOG)) == canonical(sql.query)
    assert fluent.question(CATALOG).purpose == sql.purpose == "statistics"


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        (col("age") == 18, "age = 18"),
        (col("age") != 18, "age <> 18"),
        (col("age") < 18, "age < 18"),
        (col("AGE") <= np.int64(18), "age <= 18"),
        (col("age") > 18.0, "age > 18"),
        (col("age") > 17.5, "age > 17.5"),
        (col("income") >= 0.1, "income >= 0.1"),
        (col("income") >= 1e16, "income >= 10000000000000000"),
        (col("income") >= Decimal("1E+3"), "income >= 1000"),
        (col("sex") == 1, "sex = '1'"),
        (col("visited") > date(2024, 2, 29), "visited > '2024-02-29'"),
        (col("visited") > "2024-02-29", "visited > DATE '2024-02-29'"),
        (col("age").is_null(), "age IS NULL"),
        (~col("age").is_null(), "age IS NOT NULL"),
        (~~(col("age") < 1), "age < 1"),
        (col("age").isin({2, 1}), "age IN (1, 2)"),
        ((col("age") == 1) & (col("age") == 2) | (col("sex") == "0"), "age = 1 AND age = 2 OR sex = '0'"),
        (~((col("age") == 1) | (col("sex") == "0")), "NOT (age = 1 OR sex = '0')"),
    ],
)
def test_conditions(condition: Condition, sql: str) -> None:
    fluent = COUNTED.where(condition).query(CATALOG)
    assert canonical(fluent) == canonical(ask(f"SELECT COUNT(*) FROM people WHERE {sql}{PRIVACY}").query)


def test_every_step_leaves_the_last_one_alone() -> None:
    narrower = COUNTED.where(col("age") > 1).where(col("age") < 9).group_by("sex").agg(n=count())
    assert COUNTED.query(CATALOG) == ask("SELECT COUNT(*) FROM people" + PRIVACY).query
    assert narrower.query(CATALOG) == ask(
        "SELECT COUNT(*), COUNT(*) AS n FROM people WHERE age > 1 AND age < 9 GROUP BY sex" + PRIVACY
    ).query


@pytest.mark.parametrize(
    ("make", "refusal", "culprit"),
    [
        (lambda: PEOPLE.agg(count()), Refusal.BAD_PRIVACY, ".with_privacy(epsilon=1)"),
        (lambda: PEOPLE.agg(count()).with_privacy(), Refusal.BAD_PRIVACY, "none of epsilon, rho and error"),
        (lambda: COUNTED.with_privacy(epsilon=0), Refusal.BAD_PRIVACY, "epsilon = 0 is not accepted"),
        (lambda: COUNTED.with_privacy(epsilon=-1), Refusal.BAD_PRIVACY, "epsilon = -1 is not accepted"),
        (lambda: COUNTED.with_privacy(epsilon=float("nan")), Refusal.BAD_PRIVACY, "epsilon = nan"),
        (lambda: COUNTED.with_privacy(epsilon=float("inf")), Refusal.BAD_PRIVACY, "epsilon = inf"),
        (lambda: COUNTED.with_privacy(epsilon=10**4000), Refusal.BAD_PRIVACY, "epsilon = 1e999"),
        (lambda: COUNTED.with_privacy(epsilon=True), Refusal.BAD_PRIVACY, "type bool"),
        (lambda: COUNTED.with_privacy(epsilon=1, rho=1), Refusal.BAD_PRIVACY, "epsilon and rho"),
        (lambda: COUNTED.with_privacy(rho="1; DROP"), Refusal.BAD_PRIVACY, "rho = 1; DROP is not accepted"),
        (lambda: COUNTED.where(col("agee") > 1), Refusal.UNKNOWN_NAME, "did you mean age?"),
        (lambda: COUNTED.where(col("pid") == 1), Refusal.UNKNOWN_NAME, "unit column"),
        (lambda: COUNTED.where(col("age") == "1"), Refusal.MALFORMED, "age is an integer column"),
        (lambda: COUNTED.where(col("age") == float("nan")), Refusal.MALFORMED, "age is an integer column"),
        (lambda: COUNTED.where(col("age") == 10**4000), Refusal.MALFORMED, "age is an integer column"),
        (lambda: COUNTED.where(col("age") == None), Refusal.MALFORMED, ".is_null()"),  # noqa: E711
        (lambda: COUNTED.where(col("age") == True), Refusal.MALFORMED, "type bool"),  # noqa: E712
        (lambda: COUNTED.where(col("visited") == datetime(2024, 1, 1)), Refusal.MALFORMED, "type datetime"),  # noqa: DTZ001
        (lambda: COUNTED.where(col("age").isin([])), Refusal.MALFORMED, "list after IN is empty"),
        (lambda: COUNTED.where(col("region") == "\ud800"), Refusal.MALFORMED, "Unicode"),
        (lambda: COUNTED.where(col("sex") > "0"), Refusal.UNSUPPORTED, "has no order"),
        (lambda: COUNTED.group_by("age"), Refusal.UNSUPPORTED, "cannot be a key"),
        (lambda: COUNTED.agg(n_low=count()), Refusal.MALFORMED, "end in _low"),
        (lambda: COUNTED.agg(count()), Refusal.MALFORMED, "two statistics are called count"),
        (lambda: COUNTED.agg(avg("sex")), Refusal.UNSUPPORTED, "AVG(sex)"),
        (lambda: PEOPLE.with_privacy(rho=1), Refusal.UNSUPPORTED, "without a statistic"),
        (lambda: TableQuery("peeple").agg(count()).with_privacy(rho=1), Refusal.UNKNOWN_NAME, "people"),
    ],
)
def test_refusals(make: Callable[[], TableQuery], refusal: Refusal, culprit: str) -> None:
    with pytest.raises(Refused) as caught:
        make().query(CATALOG)
    assert (caught.value.refusal, culprit in caught.value.message) == (refusal, True), caught.value.message
    assert "line" not in caught.value.message.split("(")[-1]


def test_misuse_of_python_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="between"):
        assert 18 <= col("age") <= 64
    with pytest.raises(TypeError, match="neither true nor false"):
        assert (col("age") > 1) and (col("age") < 9)
    with pytest.raises(TypeError, match="join conditions"):
        (col("age") > 1) & True  # type: ignore[operator]
    with pytest.raises(TypeError, match="a list of values"):
        col("region").isin("north")
    with pytest.raises(TypeError, match="a name is a text"):
        col(3)  # type: ignore[arg-type]


def test_long_and_deep_conditions_are_refused_without_a_crash() -> None:
    chain = alternating = col("age") == 0
    for n in range(3000):
        chain = chain & (col("age") != n)
        alternating = (alternating & (col("age") != n)) if n % 2 else (alternating | (col("age") != n))
    for condition in (chain, alternating):
        with pytest.raises(Refused, match="more than 256 conditions"):
            COUNTED.where(condition).query(CATALOG)
    alternating = col("age") == 0
    for n in range(40):
        alternating = (alternating & (col("age") != n)) if n % 2 else (alternating | (col("age") != n))
    with pytest.raises(Refused, match="levels deep"):
        COUNTED.where(alternating).query(CATALOG)
