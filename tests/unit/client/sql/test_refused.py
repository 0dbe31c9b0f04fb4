"""What SQL does not mean: each refusal, its sentence and its place."""

import time

import pytest

from cotally.client.sql.parse import parse
from cotally.v1.catalog_pb2 import Catalog, Table
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.asking import PRIVACY, ask, refusal

UNSUPPORTED = [
    ("SELECT COUNT(DISTINCT age) FROM people", "distinct age cannot be counted", 1, 23),
    ("SELECT DISTINCT sex FROM people", "SELECT DISTINCT", 1, 8),
    ("SELECT ALL COUNT(*) FROM people", "ALL", 1, 8),
    ("SELECT * FROM people", "SELECT *", 1, 8),
    ("SELECT people.* FROM people", "SELECT *", 1, 8),
    ("SELECT COUNT(*) FROM people, visits", "a second table", 1, 30),
    ("SELECT COUNT(*) FROM people\nLEFT OUTER JOIN visits USING (pid)", "JOIN", 2, 1),
    ("SELECT COUNT(*) FROM people p", "a table alias (p)", 1, 22),
    ("SELECT COUNT(*) FROM main.people", "a table name with a dot", 1, 22),
    ("SELECT COUNT(*) FROM read_csv('/etc/passwd')", "function READ_CSV", 1, 22),
    ("SELECT COUNT(*) FROM people WHERE age > (SELECT 1)", "a subquery", 1, 42),
    ("SELECT COUNT(*) FROM people WHERE age IN (SELECT 1)", "a subquery", 1, 43),
    ("SELECT COUNT(*) FROM (SELECT * FROM people)", "a subquery", 1, 23),
    ("WITH x AS (SELECT 1) SELECT COUNT(*) FROM x", "a common table expression (WITH)", 1, 1),
    ("WITH privacy AS (SELECT 1) SELECT COUNT(*) FROM x", "a common table expression (WITH)", 1, 1),
    ("SELECT COUNT(*) FROM people GROUP BY sex HAVING COUNT(*) > 1", "HAVING", 1, 42),
    ("SELECT COUNT(*) FROM people ORDER BY sex", "ORDER BY", 1, 29),
    ("SELECT COUNT(*) FROM people LIMIT 3", "LIMIT", 1, 29),
    ("SELECT COUNT(*) OVER () FROM people", "a window function (OVER)", 1, 17),
    ("SELECT COUNT(*) FILTER (WHERE age > 1) FROM people", "FILTER", 1, 17),
    ("SELECT COUNT(*) FROM people UNION SELECT 1", "UNION", 1, 29),
    ("SELECT COUNT(*) FROM people EXCEPT SELECT 1", "EXCEPT", 1, 29),
    ("SELECT SUM(age + 1) FROM people", "the operator +", 1, 16),
    ("SELECT SUM(age * 2) FROM people", "an expression inside SUM", 1, 12),
    ("SELECT SUM(-age) FROM people", "an expression inside SUM", 1, 13),
    ("SELECT COUNT(1) FROM people", "an expression inside COUNT", 1, 14),
    ("SELECT COUNT(age, sex) FROM people", "a second argument of COUNT", 1, 19),
    ("SELECT SUM(*) FROM people", "* inside SUM", 1, 12),
    ("SELECT MAX(age) FROM people", "function MAX", 1, 8),
    ("SELECT MODE(age) FROM people", "function MODE", 1, 8),
    ("SELECT CASE WHEN age = 1 THEN 1 END FROM people", "CASE", 1, 8),
    ("SELECT COUNT(*) FROM people; SELECT 1", "a second statement", 1, 28),
    ("SELECT COUNT(*) FROM people WHERE age = ?", "a parameter (?)", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE age = :a", "a parameter (:)", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE age = $1", "a parameter ($1)", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE CAST(age AS TEXT) = '1'", "a cast (CAST)", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE visited = CAST('2020-01-01' AS DATE)", "a cast (CAST)", 1, 45),
    ("SELECT COUNT(*) FROM people WHERE age::text = '1'", "a cast (::)", 1, 38),
    ("SELECT COUNT(*) FROM people WHERE age = NULL", "NULL as a value", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE age NOT IN (1, NULL)", "NULL as a value", 1, 50),
    ("SELECT COUNT(*) FROM people WHERE TRUE", "a truth value (TRUE)", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE age IS TRUE", "a truth value (TRUE)", 1, 42),
    ("SELECT COUNT(*) FROM people WHERE age", "a bare column (age) in WHERE", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE age = income", "a comparison of two columns", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE sex = \"1\"", "a comparison of two columns", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE 1 = 1", "a comparison without a column", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE age > 1 > 2", "a condition in the place of a value", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE age = LOWER('x')", "function LOWER", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE age LIKE 'x'", "LIKE", 1, 39),
    ("SELECT COUNT(*) FROM people WHERE age BETWEEN SYMMETRIC 1 AND 2", "SYMMETRIC", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE EXISTS (SELECT 1)", "EXISTS", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE age == 1", "the operator ==", 1, 39),
    ("SELECT COUNT(*) FROM people WHERE sex < '1'", "sex is a category column and has no order", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE sex BETWEEN '0' AND '1'", "has no order", 1, 35),
    ("SELECT COUNT(*) FROM people GROUP BY 1", "a position in GROUP BY", 1, 38),
    ("SELECT COUNT(*) FROM people GROUP BY ALL", "ALL", 1, 38),
    ("SELECT COUNT(*) FROM people GROUP BY ROLLUP (sex)", "ROLLUP", 1, 38),
    ("SELECT COUNT(*) FROM people GROUP BY sex WITH ROLLUP", "WITH ROLLUP", 1, 42),
    ("SELECT age, COUNT(*) FROM people GROUP BY age", "age is an integer column and cannot be a key", 1, 43),
    ("SELECT sex, COUNT(*) FROM people", "column sex outside COUNT, SUM and AVG", 1, 8),
    ("SELECT sex AS s, COUNT(*) FROM people GROUP BY sex", "an alias for a key (s)", 1, 15),
    ("SELECT SUM(sex) FROM people", "SUM(sex)", 1, 12),
    ("SELECT AVG(visited) FROM people", "AVG(visited)", 1, 12),
    ("SELECT COUNT(*) FROM people FOR UPDATE", "FOR", 1, 29),
    ("SELECT COUNT(*) FROM people TABLESAMPLE (10)", "TABLESAMPLE", 1, 29),
    ("DROP TABLE people", "a statement that begins with DROP", 1, 1),
    ("COPY people TO '/tmp/x'", "a statement that begins with COPY", 1, 1),
    ("(SELECT COUNT(*) FROM people)", "a question that begins with (", 1, 1),
    ("SELECT COUNT(*) FROM people WHERE age = 1; DROP TABLE people; --", "a second statement", 1, 42),
    ("SELECT COUNT(*) FROM people WHERE region = 'x' OR 1=1 --'", "a comparison without a column", 1, 51),
    ("SELECT COUNT(*) FROM people WHERE {{ region }} = 'x'", "{ is not supported", 1, 35),
]

MALFORMED = [
    ("SELECT COUNT(* FROM people", "( is never closed", 1, 13),
    ("SELECT COUNT(*)) FROM people", ") closes nothing", 1, 16),
    ("SELECT COUNT(*), FROM people", "nothing follows the comma", 1, 16),
    ("SELECT COUNT(*)\nFROM people WHERE age = 'x", "the quote ' is never closed", 2, 25),
    ("SELECT COUNT(*) FROM people WHERE age = 1 1", "cannot be read near 1", 1, 43),
    ("SELECT COUNT(*) FROM people WHERE when = 1", 'near when (a column of that name is "when")', 1, 35),
    ("SELECT COUNT(*) FROM people WHERE age IN ()", "the list after IN is empty", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE age = '18'", "age is an integer column and '18'", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE age = 9223372036854775808", "age is an integer column", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE income = 1e-19", "income is a float column and 1e-19", 1, 44),
    ("SELECT COUNT(*) FROM people WHERE income = 1e400", "income is a float column and 1e400", 1, 44),
    ("SELECT COUNT(*) FROM people WHERE visited > 2020", "visited is a date column and 2020", 1, 45),
    ("SELECT COUNT(*) FROM people WHERE visited > '2023-02-29'", "visited is a date column", 1, 45),
    ("SELECT COUNT(*) FROM people WHERE visited > '29.2.2024'", "visited is a date column", 1, 45),
    ("SELECT COUNT(*) FROM people WHERE region = 1", "region is a category column and 1", 1, 44),
    ("SELECT COUNT(*) FROM people WHERE sex = DATE '2020-01-01'", "sex is a category column", 1, 46),
    ("SELECT COUNT(*), COUNT(*) FROM people", "two statistics are called count", 1, 18),
    ("SELECT SUM(age) AS n,\n COUNT(*) AS n FROM people", "two statistics are called n", 2, 14),
    ("SELECT COUNT(*) AS n_low FROM people", "end in _low", 1, 20),
    ("SELECT COUNT(*) AS N_HIGH FROM people", "end in _high", 1, 20),
    ("SELECT COUNT(*) AS n_se FROM people", "end in _se", 1, 20),
    ("SELECT COUNT(*) AS n_flag FROM people", "end in _flag", 1, 20),
    ("SELECT COUNT(n_low) FROM people", "alias count_n_low is not accepted", 1, 8),
    ("SELECT COUNT(*) AS sex FROM people GROUP BY sex", "which is a key", 1, 20),
    ("SELECT COUNT(*) AS n FROM people GROUP BY n_low", "two result columns called n_low", 1, 20),
    ("SELECT COUNT(*) FROM people GROUP BY sex, SEX", "sex stands twice in GROUP BY", 1, 43),
]

UNKNOWN = [
    ("SELECT COUNT(*) FROM peeple", "unknown table peeple: did you mean people? the catalog has", 1, 22),
    ("SELECT AVG(aeg) FROM people", "unknown column aeg: did you mean age? people has age, income", 1, 12),
    ("SELECT COUNT(*) FROM people WHERE pid = 3", "pid is the unit column of people", 1, 35),
    ("SELECT pid, COUNT(*) FROM people GROUP BY pid", "pid is the unit column of people", 1, 43),
    ("SELECT COUNT(*) FROM people WHERE visits.age = 3", "unknown table visits", 1, 35),
    ("SELECT COUNT(*) FROM people WHERE sex = '2'", "unknown code '2' of sex: sex has '0', '1'", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE sex = 2", "unknown code '2' of sex", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE sex = 'other'", "its other cell", 1, 41),
    ("SELECT COUNT(*) FROM people WHERE region = 'North'", "did you mean north?", 1, 44),
    ("SELECT COUNT(*) FROM people WHERE region IN ('north',\n 'west')", "unknown code 'west'", 2, 2),
    ("SELECT COUNT(iD) FROM événements", "iD could be any of ID, id", 1, 14),
]

# Refused for being another dialect; without the gate they would mean what they seem to mean.
HARMLESS = {
    "SELECT ALL COUNT(*) FROM people": "SELECT COUNT(*) FROM people",
    "SELECT COUNT(*) FROM people WHERE age == 1": "SELECT COUNT(*) FROM people WHERE age = 1",
}


@pytest.mark.parametrize(("sql", "culprit", "line", "column"), UNSUPPORTED)
def test_unsupported(sql: str, culprit: str, line: int, column: int) -> None:
    expect(Refusal.UNSUPPORTED, sql, culprit, line, column)


@pytest.mark.parametrize(("sql", "culprit", "line", "column"), MALFORMED)
def test_malformed(sql: str, culprit: str, line: int, column: int) -> None:
    expect(Refusal.MALFORMED, sql, culprit, line, column)


@pytest.mark.parametrize(("sql", "culprit", "line", "column"), UNKNOWN)
def test_unknown(sql: str, culprit: str, line: int, column: int) -> None:
    expect(Refusal.UNKNOWN_NAME, sql, culprit, line, column)


@pytest.mark.parametrize("sql", [sql for sql, *_ in UNSUPPORTED])
def test_the_walk_refuses_without_the_gate(sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cotally.client.sql.parse.refuse_constructs", lambda source, tokens: None)
    if sql in HARMLESS:
        assert ask(sql + PRIVACY) == ask(HARMLESS[sql] + PRIVACY)
    else:
        refusal(sql + PRIVACY)


def expect(kind: Refusal, sql: str, culprit: str, line: int, column: int) -> None:
    refused = refusal(sql + "\n" + PRIVACY)
    assert (refused.refusal, culprit in refused.message) == (kind, True), refused.message
    assert refused.message.endswith(f" (line {line}, column {column})"), refused.message


@pytest.mark.parametrize(
    ("sql", "kind", "culprit"),
    [
        ("", Refusal.MALFORMED, "the question is empty"),
        (" -- nothing\n", Refusal.MALFORMED, "the question is empty"),
        (";", Refusal.MALFORMED, "no SELECT"),
        ("WITH PRIVACY (epsilon = 1)", Refusal.MALFORMED, "no SELECT"),
        ("SELECT WITH PRIVACY (epsilon = 1)", Refusal.MALFORMED, "names no table"),
        ("SELECT COUNT(*) WITH PRIVACY (epsilon = 1)", Refusal.MALFORMED, "names no table"),
        ("SELECT sex FROM people GROUP BY sex" + PRIVACY, Refusal.UNSUPPORTED, "without a statistic"),
        ("SELECT COUNT(*) FROM people WHERE region = '\ud800'" + PRIVACY, Refusal.MALFORMED, "Unicode"),
        ("SELECT COUNT(*) AS \"\x1b[2J\" FROM people" + PRIVACY, Refusal.MALFORMED, "printable"),
        ("SELECT COUNT(*) FROM people /* never closed" + PRIVACY, Refusal.MALFORMED, "never closed"),
    ],
)
def test_refusals_without_a_place(sql: str, kind: Refusal, culprit: str) -> None:
    refused = refusal(sql)
    assert (refused.refusal, culprit in refused.message) == (kind, True), refused.message


def test_messages_drive_no_terminal_and_stay_short() -> None:
    message = refusal(f"SELECT COUNT(*) FROM \"\x1b[2J{'x' * 5000}\"" + PRIVACY).message
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 10_000 + "age = 1" + ")" * 9_000,
        "NOT " * 4_000 + "age = 1",
        "age = " + "- " * 9_000 + "1",
        "(NOT " * 31 + "age < 1" + ")" * 31,
        "(age = 1 OR (sex = 1 AND " * 15 + "age < 1" + "))" * 15,
        "age IN (" + "[" * 9_000,
        "x" * 20_001,
        " OR ".join(["age = 1"] * 1_500),
    ],
)
def test_what_is_too_big_is_refused_at_once(condition: str) -> None:
    started = time.perf_counter()
    refused = refusal(f"SELECT COUNT(*) FROM people WHERE {condition}{PRIVACY}")
    assert refused.refusal in (Refusal.UNSUPPORTED, Refusal.MALFORMED)
    assert time.perf_counter() - started < 2


def test_a_long_list_of_what_exists_is_cut() -> None:
    catalog = Catalog(tables=[Table(name=f"table{n}") for n in range(40)])
    with pytest.raises(Refused, match=r"the catalog has table0, .*table11 and 28 more \(line 1"):
        parse("SELECT COUNT(*) FROM nothing" + PRIVACY, catalog)
