"""Statistics, keys, joins, bounds and steering that cannot be: refused with construct and place."""

import pytest

from cotally.client.sql.parse import parse
from cotally.v1.refusals import Refusal, Refused
from tests.unit.client.test_same_message import CATALOG, PRIVACY

U, M, N, P = Refusal.UNSUPPORTED, Refusal.MALFORMED, Refusal.UNKNOWN_NAME, Refusal.BAD_PRIVACY


@pytest.mark.parametrize(("sql", "kind", "culprit", "column"), [
    ("SELECT VAR_SAMP(age) FROM people", U, "of the population", 8),
    ("SELECT STDDEV_SAMP(age) FROM people", U, "write STDDEV(c)", 8),
    ("SELECT REGR_SLOPE(age, w) FROM people", U, "write REGR(y, x)", 8),
    ("SELECT PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY age) FROM people", U, "QUANTILE(c, q)", 8),
    ("SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY age DESC) FROM people", U, "DESC", 52),
    ("SELECT PERCENTILE_CONT(0.5) FROM people", U, "this form of PERCENTILE_CONT", 8),
    ("SELECT MEDIAN(age + 1) FROM people", U, "the operator +", 19),
    ("SELECT MEDIAN(age, w) FROM people", U, "write MEDIAN(c)", 8),
    ("SELECT MEDIAN(AVG(age)) FROM people", U, "an expression inside MEDIAN", 15),
    ("SELECT MEDIAN(sex) FROM people", U, "QUANTILE takes integer and float columns", 15),
    ("SELECT QUANTILE(age, 1) FROM people", M, "between 0 and 1", 22),
    ("SELECT QUANTILE(age, 'a') FROM people", U, "write QUANTILE(c, 0.9)", 22),
    ("SELECT QUANTILE(age, 0.5, 100) FROM people", U, "a power of two", 27),
    ("SELECT HISTOGRAM(age, 1025) FROM people", U, "from 1 to 1024", 23),
    ("SELECT HISTOGRAM(age) FROM people", U, "write HISTOGRAM(c, 20)", 8),
    ("SELECT CORR(age, age) FROM people", M, "names one column twice", 8),
    ("SELECT REGR(age) FROM people", U, "write REGR(y, x1, x2)", 8),
    ("SELECT COUNT(DISTINCT age) FROM people", U, "only the unit column of people", 23),
    ("SELECT COUNT(DISTINCT pid) FROM visits", U, "INCIDENCES(pid)", 8),
    ("SELECT CLIPPED_LOW(cost) FROM visits", U, "2 departments", 8),
    ("SELECT SUM(DISTINCT age) FROM people", U, "DISTINCT inside SUM", 12),
    ("SELECT WEIGHTED(AVG(age), income) FROM people", U, "people has w", 27),
    ("SELECT WEIGHTED(MEDIAN(age), w) FROM people", U, "a weight for MEDIAN", 8),
    ("SELECT WEIGHTED(SUM(w), w) FROM people", M, "weighted by itself", 25),
    ("SELECT BIN(age, 0), COUNT(*) FROM people GROUP BY BIN(age, 0)", M, "width 0 of BIN", 60),
    ("SELECT COUNT(*) FROM people GROUP BY BIN(income, 0.3)", U, "whole multiple", 38),
    ("SELECT COUNT(*) FROM people GROUP BY BIN(sex, 3)", U, "BIN takes a number", 38),
    ("SELECT COUNT(*) FROM people GROUP BY YEAR(age)", U, "YEAR takes a date", 38),
    ("SELECT COUNT(*) FROM people GROUP BY YEAR(born, 3)", U, "write YEAR(c)", 38),
    ("SELECT BIN(age, 5), COUNT(*) FROM people", U, "BIN(age) outside", 8),
    ("SELECT COUNT(*) FROM people GROUP BY BIN(age, 5), BIN(age, 10)", M, "stands twice", 51),
    ("SELECT BIN(age, 5) AS w, COUNT(*) FROM people GROUP BY BIN(age, 5)", M, "name of a column", 56),
    ("SELECT age, COUNT(*) FROM people GROUP BY age", U, "or write BIN(age, width)", 43),
    ("SELECT COUNT(*) FROM visits LEFT JOIN people USING (pid)", U, "LEFT JOIN", 29),
    ("SELECT COUNT(*) FROM visits JOIN people ON visits.pid = people.pid", U, "ON", 41),
    ("SELECT COUNT(*) FROM visits JOIN people USING (age)", U, "USING (pid)", 48),
    ("SELECT COUNT(*) FROM visits JOIN people", U, "a second table", 34),
    ("SELECT COUNT(*) FROM people JOIN people USING (pid)", U, "joined to itself", 34),
    ("SELECT COUNT(*) FROM visits JOIN people USING (pid) JOIN people USING (pid)", U, "third table", 58),
    ("SELECT AVG(age) FROM visits JOIN people USING (pid)", N, "any of visits.age, people.age", 12),
    ("SELECT COUNT(*) FROM people BOUNDS(income, 0, 1e6)", U, "within 0 and 200000", 29),
    ("SELECT COUNT(*) FROM people BOUNDS(income, 9, 1)", U, "ascend", 29),
    ("SELECT COUNT(*) FROM people BOUNDS(age, 0.5, 9)", U, "whole numbers", 29),
    ("SELECT COUNT(*) FROM people BOUNDS(sex, 0, 1)", U, "BOUNDS take a number", 29),
    ("SELECT COUNT(*) FROM people BOUNDS(age, 0)", M, "a column and two numbers", 29),
    ("SELECT COUNT(*) FROM people BOUNDS(age, 0, x)", M, "x is no bound", 44),
    ("SELECT COUNT(*) FROM people BOUNDS(age, 0, 9), BOUNDS(age, 0, 8)", M, "bounded twice", 48),
    ("SELECT COUNT(*) FROM people BOUNDS(agee, 0, 9)", N, "did you mean age?", 36),
    ("SELECT COUNT(*) AS n_adjusted FROM people", M, "end in _adjusted", 20),
    ("SUGGEST LIMITS FOR age", M, "SUGGEST BOUNDS FOR c", 1),
    ("SUGGEST BOUNDS FOR FROM people", M, "names no column", 16),
    ("SUGGEST BOUNDS FOR sex FROM people", U, "SUGGEST BOUNDS(sex)", 20),
])
def test_refused(sql: str, kind: Refusal, culprit: str, column: int) -> None:
    with pytest.raises(Refused) as caught:
        parse(sql + PRIVACY, CATALOG)
    assert (caught.value.refusal, culprit in caught.value.message) == (kind, True), caught.value.message
    assert caught.value.message.endswith(f" (line 1, column {column})"), caught.value.message


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ("rho = 1, weights = 2", "weights = (2, 1)"),
        ("rho = 1, weights = (1, 2, 3)", "no more than the 2"),
        ("rho = 1, weights = (n = 1, 2)", "name every item, or none"),
        ("rho = 1, weights = (x = 1)", "called n, m"),
        ("rho = 1, weights = (n = 1, n = 2)", "n twice"),
        ("rho = 1, weights = (n = 0)", "weights of n = 0"),
        ("error = (m = 5)", "leaves out n"),
        ("error = (n = 5, m = -1)", "error of m = -1"),
        ("rho = 1, consistent = 'yes'", "consistent = true"),
        ("rho = (1, 2)", "rho = (1, 2) is not accepted"),
        ("rho = 1, weights = (1,", "never closed"),
        ("rho = 1, weights = ()", "a number is missing"),
    ],
)
def test_steering(settings: str, culprit: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(f"SELECT COUNT(*) AS n, AVG(age) AS m FROM people WITH PRIVACY ({settings})", CATALOG)
    assert (caught.value.refusal, culprit in caught.value.message) == (P, True), caught.value.message
