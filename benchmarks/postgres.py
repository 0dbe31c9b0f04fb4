"""What bounding costs in PostgreSQL, against the bounded query that an author of SQL would write by hand.

Both read the same vintage in the same server, which is started for this in a temporary directory. The
question is 100 groups of count, sum and mean; the query by hand does the same: each person counts in
a group for min(n, k) average rows, and in no more than g groups by a keyed hash.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Rules
from cotally.server.model.query import Mechanism, Privacy, Query, Statistic, StatisticKind, Target
from cotally.server.ops.bench.rows import Missing, Row
from cotally.server.ops.bench.timing import Work, compare
from cotally.server.planner.plan import make_plan

ROWS: Final = ("postgres_vs_plain", "postgres_row_vs_plain")
GROUPS: Final = 100
ROWS_PER_PERSON: Final = 5  # on average
K: Final = 3
G: Final = 2
CODES: Final = tuple(f"{code:03}" for code in range(GROUPS))
TOP: Final = 200_000
PEOPLE: Final = Table(
    name="people", population="residents", unit="pid", overlap=1, rows_per_person=K, groups_per_person=G,
    expected_people=100_000, max_people=10_000_000, min_departments=3, vintage="1",
    columns=(Column("district", ColumnType.CATEGORY, nullable=False, codes=CODES),
             Column("income", ColumnType.INTEGER, upper=Fraction(TOP))),
    holders=("a", "b", "c", "d", "e"))
EVENTS: Final = replace(PEOPLE, name="events", population="events", unit=None)
QUERY: Final = Query(
    "people", ("district",),
    (Statistic("n", StatisticKind.COUNT_ROWS), Statistic("total", StatisticKind.SUM, "income"),
     Statistic("mean", StatisticKind.MEAN, "income")),
    None, Privacy(Target.EPSILON, Fraction(1), Fraction(95, 100), Mechanism.GAUSSIAN))
RULES: Final = Rules(colluding=1, delta=Fraction(1, 10**7), tick_ms=50, round_ms=3_600_000, modulus_bits=3072)
SALT: Final = b"benchmark"
_SHARE: Final = 5  # of the suite's rows, one in so many: a server is slower than DuckDB

# By hand; {source} is the vintage, {codes} its list of codes, {hash} of person and group.
BOUNDED: Final = f"""
WITH people AS (
    SELECT unit, c0, count(*) AS n, count(c1) AS m, sum(least(greatest(c1, 0), {TOP})) AS s
    FROM {{source}} WHERE unit IS NOT NULL AND c0 IN ({{codes}}) GROUP BY unit, c0),
ranked AS (SELECT *, row_number() OVER (PARTITION BY unit ORDER BY {{hash}}, c0) AS place FROM people)
SELECT c0, sum(least(n, {K})), sum(CASE WHEN m <= {K} THEN s ELSE round({K} * s / m) END), sum(least(m, {K}))
FROM ranked WHERE place <= {G} GROUP BY c0"""
PLAIN: Final = f"""
SELECT c0, count(*), sum(least(greatest(c1, 0), {TOP})), count(c1)
FROM {{source}} WHERE c0 IN ({{codes}}) GROUP BY c0"""  # a row is a person: no more is to be bounded


class Sized(Protocol):
    """What these rows need of a suite's setting."""

    @property
    def rows(self) -> int:
        """Rows of the suite's tables."""

    @property
    def rounds(self) -> int:
        """Rounds that are timed."""


@dataclass(frozen=True, slots=True)
class Side:
    """One table at one engine: what measures it, and what answers the text of a query by hand."""

    engine: Any
    source: str
    run: Callable[[str], Sequence[Sequence[object]]]
    hash: str


def versus(name: str, table: Table, side: Side, rows: int, rounds: int) -> Row:
    """The row *name*: the time by hand over ours. Missing where the two do not count the same rows."""
    query = replace(QUERY, table=table.name)
    plan = replace(make_plan(query, table, RULES), answer_ms=600_000)
    by_hand = (PLAIN if table.unit is None else BOUNDED).format(
        source=side.source, codes=", ".join(f"'{code}'" for code in CODES), hash=side.hash)

    def measured() -> list[int]:
        vector: list[int] = side.engine.measure(query, table, plan, SALT)
        return vector

    counted = sum(int(str(row[1])) for row in side.run(by_hand)) * plan.blocks[0].refinement
    if abs(sum(measured()[:GROUPS]) - counted) > counted / 100:  # another hash keeps other groups
        raise Missing("the query by hand counts other rows")
    found = compare(Work(measured, rows), Work(lambda: side.run(by_hand), rows), rounds)
    return found.row(name, "the bounded query by hand", "rows")


def measure(setting: Sized) -> Iterable[Row]:
    """The rows `ROWS`; Missing where there is no PostgreSQL."""
    try:
        import psycopg

        from cotally.server.engines.postgres import session, snapshot
        from cotally.server.engines.postgres.engine import Postgres
        from cotally.server.engines.source import PostgresTable
        from tests import postgres
    except ModuleNotFoundError as absent:
        raise Missing(f"{absent.name} is not installed") from None
    rows = max(setting.rows // _SHARE, 1)
    try:
        with (postgres.serving() as server, tempfile.TemporaryDirectory() as state,
              psycopg.connect(server.url("admin"), autocommit=True) as admin,
              session.connect(server.url("reader")) as reader):
            where = PostgresTable(server.url("reader"), "public", "records")
            admin.execute(_RECORDS, (max(rows // ROWS_PER_PERSON, 1), rows))
            engine = Postgres(Path(state))
            for name, table in zip(ROWS, (PEOPLE, EVENTS), strict=True):
                for statement in snapshot.script(reader, table, where, "reader"):
                    admin.execute(statement.encode())
                engine.snapshot(table, where)

                def run(text: str) -> Sequence[Sequence[object]]:
                    return reader.execute(text.encode()).fetchall()

                side = Side(engine, f'cotally."{snapshot.name_of(table, where)}"', run,
                            "md5('salt' || unit || c0)")
                yield versus(name, table, side, rows, setting.rounds)
            engine.close()
    except postgres.Absent as reason:
        raise Missing(str(reason)) from None


_RECORDS: Final = f"""
CREATE TABLE records AS SELECT 'p' || lpad(person::text, 8, '0') AS pid, lpad((CASE WHEN a % 5 = 0 THEN a / 5
    ELSE person END % {GROUPS})::text, 3, '0') AS district, a % {TOP + 1} AS income
FROM (SELECT (hashint4extended(i, 1) & 2147483647) % %s AS person,
             hashint4extended(i, 2) & 2147483647 AS a FROM generate_series(1, %s) AS i) AS made
""".replace("% ", "%% ")
