"""An analyst who asks absurd things is refused by name or answered, whatever the records hold."""

import time
from collections.abc import Callable, Iterator

import pytest

from cotally.v1 import query_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab
from tests.protocol.site import Site, rounds_of_today

K = query_pb2.StatisticKind
Change = Callable[[query_pb2.Query], object]
BY_NAME = {Refusal.MALFORMED, Refusal.BAD_PRIVACY, Refusal.UNSUPPORTED, Refusal.UNKNOWN_NAME}


def question() -> query_pb2.Query:
    """SELECT SUM(income) AS total FROM people"""
    return query_pb2.Query(
        table="people",
        statistics=[query_pb2.Statistic(alias="total", kind=K.STATISTIC_KIND_SUM, column="income")],
        privacy=query_pb2.PrivacyClause(rho="0.02", confidence="0.95",
                                        mechanism=query_pb2.MECHANISM_GAUSSIAN))


def privacy(**fields: str) -> Change:
    """Another privacy clause."""
    def change(query: query_pb2.Query) -> None:
        for name, value in fields.items():
            setattr(query.privacy, name, value)
    return change


def bounded(lower: str, upper: str) -> Change:
    """BOUNDS(income, lower, upper)"""
    return lambda query: query.bounds.add(column="income", lower=lower, upper=upper)


def where(**literal: object) -> Change:
    """WHERE income < literal"""
    def change(query: query_pb2.Query) -> None:
        query.where.comparison.column = "income"
        query.where.comparison.operator = query_pb2.OPERATOR_LT
        query.where.comparison.literal.CopyFrom(query_pb2.Literal(**literal))  # type: ignore[arg-type]
    return change


def nested(depth: int) -> Change:
    """NOT NOT ... income IS NULL"""
    def change(query: query_pb2.Query) -> None:
        inner = query.where
        for _ in range(depth):
            inner = inner.negation
        inner.is_null.column = "income"
    return change


def binned(width: str, name: str = "tens") -> Change:
    """GROUP BY BIN(age, width)"""
    def change(query: query_pb2.Query) -> None:
        query.keys.append(name)
        query.derived.add(name=name, derivation=query_pb2.DERIVATION_BIN, column="age", width=width)
    return change


def code(text: str) -> Change:
    """WHERE sex = text"""
    def change(query: query_pb2.Query) -> None:
        query.where.comparison.column = "sex"
        query.where.comparison.operator = query_pb2.OPERATOR_EQ
        query.where.comparison.literal.text = text
    return change


ABSURD: dict[str, Change] = {
    **{f"rho {text!r}": privacy(rho=text) for text in (
        "0", "-1", "nan", "inf", "1e400", "1e-400", "0x10", "1_0", "１", " 1", "1/0", "9" * 5000,
        "0." + "0" * 400 + "1", "")},
    **{f"epsilon {text!r}": privacy(epsilon=text) for text in ("0", "-0.5", "NaN", "9" * 400)},
    **{f"error {text!r}": privacy(error=text) for text in ("0", "-1", "0." + "0" * 60 + "1")},
    **{f"confidence {text!r}": privacy(confidence=text) for text in (
        "0", "1", "1.5", "-0.95", "nan", "0.99999")},
    **{f"bounds {low} to {high}": bounded(low, high) for low, high in (
        ("0", "0"), ("1", "0"), ("-1", "10"), ("0", "1e309"), ("nan", "10"), ("0", "0." + "0" * 320 + "1"))},
    **{f"a literal of {text[:12]!r}": where(decimal=text) for text in (
        "nan", "inf", "1e309", "9" * 400, "0." + "0" * 400 + "1", "")},
    "nothing to compare with": where(),
    "a code for a number": where(text="1 OR 1=1"),
    "a date for a number": where(date="2024-01-01"),
    "predicates without end": nested(40),
    "a mechanism of the future": lambda query: setattr(query.privacy, "mechanism", 77),
    "a statistic of the future": lambda query: setattr(query.statistics[0], "kind", 777),
    "a loss of nothing": lambda query: setattr(query.statistics[0], "loss", "0"),
    "a loss without end": lambda query: setattr(query.statistics[0], "loss", "9" * 40),
    "a hundred thousand statistics": lambda query: query.statistics.extend([query.statistics[0]] * 100_000),
    "a hundred thousand keys": lambda query: query.keys.extend(["sex"] * 100_000),
    "one statistic twice": lambda query: query.statistics.extend([query.statistics[0]]),
    "an IN list of nothing": lambda query: setattr(query.where.membership, "column", "income"),
    "an IN list of a hundred thousand": lambda query: query.where.membership.MergeFrom(query_pb2.Membership(
        column="income", literals=[query_pb2.Literal(integer=i) for i in range(100_000)])),
    "OR of a hundred thousand": lambda query: query.where.any.operands.extend(
        [query_pb2.Predicate(is_null=query_pb2.NullTest(column="income"))] * 100_000),
    **{f"bins of {width!r}": binned(width) for width in ("0", "-10", "0.3", "nan", "9" * 41, "")},
    "bins without number": lambda query: query.statistics.add(
        alias="h", kind=K.STATISTIC_KIND_HISTOGRAM, column="income", bins=2**32 - 1),
    **{f"a {what} of a megabyte": change for what, change in {
        "name": lambda query: setattr(query.statistics[0], "alias", "x" * 10**6),
        "name that is kept": lambda query: setattr(query.statistics[0], "alias", "x" * 10**6 + "_low"),
        "name of a computed key": binned("10", "x" * 10**6),
        "table": lambda query: setattr(query, "table", "x" * 10**6),
        "column": lambda query: setattr(query.statistics[0], "column", "x" * 10**6),
        "key": lambda query: query.keys.append("x" * 10**6),
        "code": code("x" * 10**6),
    }.items()},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One federation for all of them; a refused question spends nothing."""
    yield rounds_of_today(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize("what", ABSURD)
def test_an_absurd_parameter_is_refused_by_name_and_at_once(lab: Lab, what: str) -> None:
    query = question()
    ABSURD[what](query)
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        lab.federation.price(query)
    assert refused.value.refusal in BY_NAME
    assert len(refused.value.message) <= 1_000
    assert time.monotonic() - began < 5


EDGES: dict[str, Change] = {
    "the largest integer": where(integer=2**63 - 1),
    "the smallest integer": where(integer=-(2**63) + 1),
    "minus zero": where(decimal="-0"),
    "bounds of one unit": bounded("0", "1"),
}
GOOD = b"pid,age,income,sex,city,seen\n1,30,100,0,,2024-01-01\n"
EXTREME = (
    b"a,9223372036854775807,1.7976931348623157e308,0,,2024-01-01\nb,-9223372036854775808,-1e308,0,,2024-01-01\n"
    b"c,1e400,-1e400,0,,2024-01-01\nd,0,5e-324,0,,2024-01-01\ne,-0,-0.0,0,,2024-01-01\n"
    b"f,nan,nan,0,,2024-01-01\ng,,inf,0,,2024-01-01\nh,NULL,-inf,0,,2024-01-01\n")


@pytest.mark.parametrize("edge", EDGES)
def test_a_question_at_an_edge_overflows_over_no_record(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, edge: str
) -> None:
    """Whatever the records are, the answer has the same form, and comes at the same moment."""
    query = question()
    EDGES[edge](query)
    good, extreme = (Site(lab, tmp_path_factory.mktemp("site") / "north", GOOD + lines).ask(query)
                     for lines in (b"", EXTREME))
    assert good.refused is None and extreme.refused is None
    assert [list(row) for row in good.json["rows"]] == [list(row) for row in extreme.json["rows"]]
