"""For each construct, SQL and the fluent interface make the same bytes; variations of one question too."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.client import builder as b
from cotally.client.builder import TableQuery, col
from cotally.client.question.draft import Aggregate, Computed
from cotally.client.sql.parse import parse
from cotally.v1 import query_pb2
from cotally.v1.canonical import canonical
from cotally.v1.catalog_pb2 import Catalog, Column, ColumnType, Table
from cotally.v1.refusals import Refused

PEOPLE = Table(
    name="people",
    population="residents",
    unit_column="pid",
    overlap=1,
    rows_per_person=1,
    groups_per_person=1,
    expected_people=1000,
    max_people=100_000,
    min_departments=2,
    vintage="p1",
    holders=["a", "b", "c", "d"],
    columns=[
        Column(name="age", type=ColumnType.COLUMN_TYPE_INTEGER, lower="0", upper="100"),
        Column(
            name="income",
            type=ColumnType.COLUMN_TYPE_FLOAT,
            lower="0",
            upper="200000",
            resolution="0.5",
            nullable=True,
        ),
        Column(
            name="w", type=ColumnType.COLUMN_TYPE_FLOAT, lower="0", upper="9", resolution="0.01", weight=True
        ),
        Column(name="sex", type=ColumnType.COLUMN_TYPE_CATEGORY, codes=["0", "1"], other=True),
        Column(name="born", type=ColumnType.COLUMN_TYPE_DATE, lower="1930-11-05", upper="1931-02-28"),
    ],
)
VISITS = Table(
    name="visits",
    population="residents",
    unit_column="pid",
    overlap=2,
    rows_per_person=3,
    groups_per_person=2,
    expected_people=500,
    max_people=9000,
    min_departments=3,
    vintage="v7",
    holders=["b", "c", "d", "e"],
    columns=[
        Column(name="cost", type=ColumnType.COLUMN_TYPE_INTEGER, lower="0", upper="900"),
        Column(name="age", type=ColumnType.COLUMN_TYPE_INTEGER, lower="0", upper="120"),
        Column(name="ward", type=ColumnType.COLUMN_TYPE_CATEGORY, codes=["x", "y"]),
    ],
)
VISITS.min_departments = 2
CATALOG = Catalog(federation="f", epoch=1, tables=[PEOPLE, VISITS])
PRIVACY = " WITH PRIVACY (epsilon = 1)"
ROWS = TableQuery("people")


def sql(text: str) -> query_pb2.Query:
    return parse(text if "WITH PRIVACY" in text else text + PRIVACY, CATALOG).query


AGGREGATES: list[tuple[str, Aggregate, str]] = [
    ("VARIANCE(income)", b.variance("income"), "var_income"),
    ("VAR_POP(income)", b.variance("income"), "var_income"),
    ("STDDEV(age)", b.std("age"), "std_age"),
    ("stddev_pop(age)", b.std("age"), "std_age"),
    ("COUNT(DISTINCT pid)", b.count_distinct(), "persons"),
    ("COUNT(DISTINCT people.pid)", b.count_distinct("pid"), "persons"),
    ("INCIDENCES(pid)", b.incidences(), "incidences"),
    ("MEDIAN(income)", b.median("income"), "median_income"),
    ("QUANTILE(income, 0.90)", b.quantile("income", 0.9), "quantile_income_0_9"),
    ("QUANTILE(income, .5)", b.quantile("income", "0.50"), "quantile_income_0_5"),
    ("QUANTILE(income, 0.25, 64)", b.quantile("income", 0.25, leaves=64), "quantile_income_0_25"),
    ("PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY income)", b.quantile("income", 0.9), "quantile_income_0_9"),
    ("HISTOGRAM(income, 20)", b.histogram("income", 20), "hist_income"),
    ("CORR(income, age)", b.corr("income", "age"), "corr_income_age"),
    ("COVAR(income, age)", b.covar("income", "age"), "covar_income_age"),
    ("COVAR_POP(income, age)", b.covar("income", "age"), "covar_income_age"),
    ("REGR(income, age, w)", b.regr("income", ["age", "w"]), "regr_income"),
    ("REGR(income, age)", b.regr("income", "age"), "regr_income"),
    ("CLIPPED_LOW(income)", b.clipped_low("income"), "clipped_low_income"),
    ("CLIPPED_HIGH(income)", b.clipped_high("income"), "clipped_high_income"),
    ("TRUNCATED(*)", b.truncated(), "truncated"),
    ("TRUNCATED()", b.truncated(), "truncated"),
    ("WEIGHTED(COUNT(*), w)", b.weighted(b.count(), "w"), "weighted_count"),
    ("WEIGHTED(COUNT(income), w)", b.weighted(b.count("income"), "w"), "weighted_count_income"),
    ("WEIGHTED(SUM(income), w)", b.weighted(b.sum_("income"), "w"), "weighted_sum_income"),
    ("WEIGHTED(AVG(income), w)", b.weighted(b.avg("income"), "w"), "weighted_avg_income"),
]


@pytest.mark.parametrize(("text", "aggregate", "name"), AGGREGATES)
def test_statistics(text: str, aggregate: Aggregate, name: str) -> None:
    written = sql(f"SELECT {text} FROM people")
    assert canonical(written) == canonical(ROWS.agg(aggregate).with_privacy(epsilon=1).query(CATALOG))
    assert written.statistics[0].alias == name
    named = ROWS.agg(n=aggregate).with_privacy(epsilon=1).query(CATALOG)
    assert canonical(sql(f"SELECT {text} AS n FROM people")) == canonical(named)


@pytest.mark.parametrize(
    ("text", "key", "name"),
    [
        ("BIN(age, 10)", b.bin_("age", 10), "bin_age"),
        ("BIN(income, 2.50)", b.bin_("income", 2.5), "bin_income"),
        ("BIN(age, 10, 'other')", b.bin_("age", 10, other=True), "bin_age"),
        ("YEAR(born)", b.year("born"), "year_born"),
        ("QUARTER(born)", b.quarter("born"), "quarter_born"),
        ("MONTH(born, 'OTHER')", b.month("born", other=True), "month_born"),
    ],
)
def test_computed_keys(text: str, key: Computed, name: str) -> None:
    query = ROWS.group_by("sex", key).agg(b.count()).with_privacy(epsilon=1).query(CATALOG)
    assert list(query.keys) == ["sex", name]
    for form in (f"SELECT {text}, sex, COUNT(*) FROM people GROUP BY sex, {text}",
                 f"SELECT COUNT(*) FROM people GROUP BY sex, {text}",
                 f"SELECT {text} AS {name}, COUNT(*) FROM people GROUP BY sex, {name}"):
        assert canonical(sql(form)) == canonical(query)
    named = ROWS.group_by(k=key).agg(b.count()).with_privacy(epsilon=1).query(CATALOG)
    assert canonical(sql(f"SELECT {text} AS k, COUNT(*) FROM people GROUP BY {text}")) == canonical(named)
    assert canonical(sql(f"SELECT {text} AS k, COUNT(*) FROM people GROUP BY k")) == canonical(named)


def test_joins() -> None:
    written = sql("SELECT ward, AVG(cost), MEDIAN(visits.age) FROM visits JOIN people USING (pid)"
                  " WHERE people.age > 17 AND income IS NOT NULL GROUP BY ward, BIN(people.age, 20), sex")
    fluent = (
        TableQuery("visits")
        .join("people", using="pid")
        .where(col("people.age") > 17, ~col("income").is_null())
        .group_by("ward", b.bin_("people.age", 20), "sex")
        .agg(b.avg("cost"), b.median("visits.age"))
        .with_privacy(epsilon=1)
    )
    assert canonical(written) == canonical(fluent.query(CATALOG))
    assert list(written.keys) == ["visits.ward", "bin_age", "people.sex"]
    assert [s.alias for s in written.statistics] == ["avg_cost", "median_age"]
    assert [s.column for s in written.statistics] == ["visits.cost", "visits.age"]
    assert [(j.table, j.using) for j in written.joins] == [("people", "pid")]


def test_bounds_weights_errors_and_consistency() -> None:
    written = sql(
        "SELECT sex, COUNT(*) AS n, AVG(income) AS m FROM people GROUP BY sex"
        " BOUNDS(income, 0, 5e4), BOUNDS(age, 18, 64)"
        " WITH PRIVACY (error = (n = 50, m = 1000.0), weights = (2, 1), consistent = TRUE)"
    )
    fluent = (
        ROWS.group_by("sex")
        .agg(n=b.count(), m=b.avg("income"))
        .bounds("age", 18, 64)
        .bounds("income", 0, 50000)
        .with_privacy(error={"m": 1000, "n": 50}, weights=[2, 1.0], consistent=True)
    )
    assert canonical(written) == canonical(fluent.query(CATALOG))
    assert written.privacy.error == "50" and written.statistics[1].error == "1000"
    assert [s.loss for s in written.statistics] == ["2", ""] and written.consistent
    assert [bounds.column for bounds in written.bounds] == ["age", "income"]
    by_name = sql(
        "SELECT COUNT(*) AS n, AVG(income) AS m FROM people WITH PRIVACY (rho = 1, weights = (m = 0.5))"
    )
    assert [s.loss for s in by_name.statistics] == ["", "0.5"] and not by_name.consistent


def test_suggested_bounds_find_their_table() -> None:
    due = ROWS.agg(b.suggest_bounds("income")).with_privacy(epsilon=1).query(CATALOG)
    assert due.statistics[0].alias == "bounds_income"
    for text in (
        "SUGGEST BOUNDS FOR income",
        "suggest bounds for people.income",
        "SUGGEST BOUNDS FOR income FROM people",
    ):
        assert canonical(sql(text)) == canonical(due)
    with pytest.raises(Refused, match=r"which table has age\? it is in people, visits.*column 20"):
        sql("SUGGEST BOUNDS FOR age")


def test_explain_privacy_is_the_same_question_and_says_so() -> None:
    explained = parse("-- how much?\n EXPLAIN  PRIVACY SELECT COUNT(*) FROM people" + PRIVACY, CATALOG)
    assert explained.only_price and explained.query == sql("SELECT COUNT(*) FROM people")
    assert not parse("SELECT COUNT(*) FROM people" + PRIVACY, CATALOG).only_price
    with pytest.raises(Refused, match=r"agee.*\(line 2, column 28\)"):
        parse(
            "EXPLAIN PRIVACY\nSELECT COUNT(*), 1.0 * AVG(agee) FROM people".replace("1.0 * ", "      ")
            + PRIVACY,
            CATALOG,
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(AGGREGATES), min_size=1, max_size=6),
       st.lists(st.sampled_from(["sex", "BIN(age, 5)", "YEAR(born)"]), unique=True))
def test_any_mixture(aggregates: list[tuple[str, Aggregate, str]], keys: list[str]) -> None:
    text = ", ".join(f"{a} AS a{n}" for n, (a, _, _) in enumerate(aggregates))
    grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
    made: dict[str, str | Computed] = {
        "sex": "sex",
        "BIN(age, 5)": b.bin_("age", 5),
        "YEAR(born)": b.year("born"),
    }
    fluent = ROWS.group_by(*(made[key] for key in keys)).agg(
        **{f"a{n}": a for n, (_, a, _) in enumerate(aggregates)}
    )
    assert canonical(sql(f"SELECT {text} FROM people{grouped}")) == canonical(
        fluent.with_privacy(epsilon=1).query(CATALOG))
