"""What SQL means: the message that each form makes."""

import pytest

from cotally.v1.query_pb2 import (
    Comparison,
    Junction,
    Literal,
    Mechanism,
    Membership,
    NullTest,
    Operator,
    Predicate,
    PrivacyClause,
    Query,
    Statistic,
    StatisticKind,
)
from tests.fixtures.asking import PRIVACY, ask

ROWS = StatisticKind.STATISTIC_KIND_COUNT_ROWS
EQ, NE = Operator.OPERATOR_EQ, Operator.OPERATOR_NE
LT, LE = Operator.OPERATOR_LT, Operator.OPERATOR_LE
GT, GE = Operator.OPERATOR_GT, Operator.OPERATOR_GE


def compare(column: str, operator: Operator.ValueType, literal: Literal) -> Predicate:
    return Predicate(comparison=Comparison(column=column, operator=operator, literal=literal))


def negated(operand: Predicate) -> Predicate:
    return Predicate(negation=operand)


AGE_18 = Literal(integer=18)


def test_a_whole_question() -> None:
    question = ask(
        "SELECT sex, COUNT(*) AS n, COUNT(income), SUM(income), AVG(age) AS mean\n"
        "FROM people -- all of them\nWHERE age >= 18 GROUP BY sex, region\n"
        "WITH PRIVACY (rho = 5e-1, confidence = 0.90, mechanism = 'laplace', purpose = 'statistics');"
    )
    assert question.purpose == "statistics"
    assert question.query == Query(
        table="people",
        keys=["sex", "region"],
        statistics=[
            Statistic(alias="n", kind=ROWS),
            Statistic(alias="count_income", kind=StatisticKind.STATISTIC_KIND_COUNT, column="income"),
            Statistic(alias="sum_income", kind=StatisticKind.STATISTIC_KIND_SUM, column="income"),
            Statistic(alias="mean", kind=StatisticKind.STATISTIC_KIND_MEAN, column="age"),
        ],
        where=compare("age", GE, AGE_18),
        privacy=PrivacyClause(rho="0.5", confidence="0.9", mechanism=Mechanism.MECHANISM_LAPLACE),
    )


def test_the_shortest_question() -> None:
    question = ask("select count(*) from people with privacy (epsilon=1)")
    assert question.purpose is None
    assert question.query == Query(
        table="people",
        statistics=[Statistic(alias="count", kind=ROWS)],
        privacy=PrivacyClause(epsilon="1", confidence="0.95", mechanism=Mechanism.MECHANISM_GAUSSIAN),
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("age = 18", compare("age", EQ, AGE_18)),
        ("age <> 18", compare("age", NE, AGE_18)),
        ("age != 18", compare("age", NE, AGE_18)),
        ("people.age < 18", compare("age", LT, AGE_18)),
        ("age <= 18", compare("age", LE, AGE_18)),
        ("\"age\" > 18", compare("age", GT, AGE_18)),
        ("AGE >= 18", compare("age", GE, AGE_18)),
        ("18 = age", compare("age", EQ, AGE_18)),
        ("18 < age", compare("age", GT, AGE_18)),
        ("18 >= age", compare("age", LE, AGE_18)),
        ("((age) > (18))", compare("age", GT, AGE_18)),
        ("age > 18.0", compare("age", GT, AGE_18)),
        ("age > 17.50", compare("age", GT, Literal(decimal="17.5"))),
        ("age > -3", compare("age", GT, Literal(integer=-3))),
        ("income > 1e3", compare("income", GT, Literal(decimal="1000"))),
        ("income > -.50", compare("income", GT, Literal(decimal="-0.5"))),
        ("income > -0", compare("income", GT, Literal(decimal="0"))),
        ("sex = '1'", compare("sex", EQ, Literal(text="1"))),
        ("sex = 1", compare("sex", EQ, Literal(text="1"))),
        ("grade = 1.0", compare("grade", EQ, Literal(text="1"))),
        ("grade = '02'", compare("grade", EQ, Literal(text="2"))),
        ("region = 'o''hare'", compare("region", EQ, Literal(text="o'hare"))),
        ("region = 'I\u0302le-de-France'", compare("region", EQ, Literal(text="Île-de-France"))),
        ("visited > '2024-02-29'", compare("visited", GT, Literal(date="2024-02-29"))),
        ("visited > DATE '2024-02-29'", compare("visited", GT, Literal(date="2024-02-29"))),
        ("age IS NULL", Predicate(is_null=NullTest(column="age"))),
        ("age IS NOT NULL", negated(Predicate(is_null=NullTest(column="age")))),
        ("NOT age < 18", negated(compare("age", LT, AGE_18))),
        ("NOT NOT age < 18", compare("age", LT, AGE_18)),
        ("NOT age = 18", compare("age", NE, AGE_18)),
        ("age IN (18)", compare("age", EQ, AGE_18)),
        ("age NOT IN (18)", compare("age", NE, AGE_18)),
        (
            "sex IN ('1', 0, '1')",
            Predicate(membership=Membership(column="sex", literals=[Literal(text="0"), Literal(text="1")])),
        ),
        (
            "sex NOT IN ('1', '0')",
            negated(Predicate(
                membership=Membership(column="sex", literals=[Literal(text="0"), Literal(text="1")])
            )),
        ),
        (
            "age BETWEEN 18 AND 64",
            Predicate(all=Junction(operands=[
                compare("age", LE, Literal(integer=64)), compare("age", GE, AGE_18),
            ])),
        ),
        (
            "age = 18 AND (sex = '1' AND age IS NULL) AND sex = 1",
            Predicate(all=Junction(operands=[
                compare("age", EQ, AGE_18), compare("sex", EQ, Literal(text="1")),
                Predicate(is_null=NullTest(column="age")),
            ])),
        ),
    ],
)
def test_conditions(condition: str, expected: Predicate) -> None:
    assert ask(f"SELECT COUNT(*) FROM people WHERE {condition}{PRIVACY}").query.where == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("age = 1 OR age = 2 AND sex = 1", "(age = 2 AND sex = 1) OR age = 1"),
        ("age = 1 AND age = 2 OR sex = 1", "sex = '1' OR (age = 2 AND 1 = age)"),
        ("NOT (age < 1 OR age > 2)", "NOT (2 < age OR 1 > age)"),
        ("age NOT BETWEEN 1 AND 2", "NOT age BETWEEN 1 AND 2"),
        ("age NOT BETWEEN 1 AND 2", "NOT (age <= 2 AND age >= 1)"),
        ("NOT age = 1 AND sex = 1", "(NOT age = 1) AND sex = 1"),
        ("income = 1.50", "income = 15e-1"),
    ],
)
def test_forms_of_the_same_question_are_the_same_bytes(one: str, other: str) -> None:
    left, right = (ask(f"SELECT COUNT(*) FROM people WHERE {text}{PRIVACY}").query for text in (one, other))
    assert left == right


def test_different_questions_differ() -> None:
    conditions = ["age = 1 OR age = 2 AND sex = 1", "(age = 1 OR age = 2) AND sex = 1", "NOT age < 1",
                  "age < 1", "NOT (age = 1 AND sex = 1)", "NOT age = 1 AND sex = 1"]
    queries = {
        ask(f"SELECT COUNT(*) FROM people WHERE {text}{PRIVACY}").query.SerializeToString(deterministic=True)
        for text in conditions
    }
    assert len(queries) == len(conditions)


def test_names_may_be_unicode_keywords_or_quoted() -> None:
    query = ask('SELECT AVG(größe), COUNT("ID"), COUNT(id) AS "n of id" FROM ÉVÉNEMENTS '
                "WHERE date > '2020-03-01'" + PRIVACY).query
    assert query.table == "événements"
    assert [s.column for s in query.statistics] == ["Größe", "ID", "id"]
    assert [s.alias for s in query.statistics] == ["avg_Größe", "count_ID", "n of id"]


def test_a_clause_in_a_comment_or_a_text_is_no_clause() -> None:
    question = ask("SELECT COUNT(*) /* WITH PRIVACY (rho = 1) */ FROM people -- WITH PRIVACY (rho = 2)\n"
                   "WITH PRIVACY (error = 10, purpose = ' a WITH PRIVACY (rho = 3) ') -- end")
    assert question.query.privacy.error == "10"
    assert question.purpose == "a WITH PRIVACY (rho = 3)"


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1", "1"), ("1e-3", "0.001"), ("0.10", "0.1"), (".5", "0.5"), ("5.", "5"), ("1E1", "10"), ("007", "7")],
)
def test_amounts_stay_exact(written: str, kept: str) -> None:
    question = ask(f"SELECT COUNT(*) FROM people WITH PRIVACY (epsilon = {written})")
    assert question.query.privacy.epsilon == kept
