"""The workloads of `cotally bench engine`: what bounding people's contributions costs in DuckDB.

    python -m benchmarks.engine [--rows 10000000] [--rounds N] [--processors N] [--only ROW] [--dir DIR]

A table of rows of a fifth as many people, some five each, in 100 groups; a person's rows lie in
several groups. The question is 100 groups of count, sum and mean, of at most 3 rows a person and group:

- bound: a person may reach all 100 groups, so that no group has to be chosen;
- bound_groups: 2 groups a person are kept of those that he reaches, which a quarter exceed;
- bound_variance, bound_median: as bound, of the variance and of the median (1,024 leaves a group);
- bound_row: every row is a privacy unit of its own.

Ours is the node's own engine on its own snapshot, behind its lock, on one core (with --processors 2, on
two) with 1 GiB of memory, which is what it takes for PUBLIC_PEOPLE people. The peer reads the same
snapshot in a connection that is locked alike:

- person floor: `SELECT count(*) FROM (SELECT pid, sum(x) FROM t GROUP BY pid)`, the least that
  anybody does who brings a person's rows together; pid is the unit column as the snapshot has it;
- plain: count, sum and mean per group, without any privacy.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import duckdb

from cotally.server.engines.duckdb import snapshot
from cotally.server.engines.duckdb.engine import DuckDB
from cotally.server.engines.duckdb.lockdown import escaped, locked, memory, threads
from cotally.server.engines.terms import UNIT
from cotally.server.model.catalog import Column, ColumnType, Table
from cotally.server.model.plan import Rules
from cotally.server.model.query import Mechanism, Privacy, Query, Statistic, StatisticKind, Target
from cotally.server.ops.bench import machine
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import ROUNDS, Work, compare
from cotally.server.planner.plan import make_plan

from . import postgres, processes, spark
from .program import Workload, work_through

GROUPS: Final = 100
ROWS_PER_PERSON: Final = 5  # on average
PUBLIC_PEOPLE: Final = 60_000_000  # the catalog's cap, for which a node lends DuckDB 1 GiB
_CODES: Final = tuple(f"{code:03}" for code in range(GROUPS))

PEOPLE: Final = Table(
    name="people", population="residents", unit="pid", overlap=1, rows_per_person=3, groups_per_person=GROUPS,
    expected_people=1_000_000, max_people=PUBLIC_PEOPLE, min_departments=3, vintage="1",
    columns=(Column("district", ColumnType.CATEGORY, nullable=False, codes=_CODES),
             Column("income", ColumnType.INTEGER, nullable=False, upper=Fraction(200_000))),
    holders=("a", "b", "c", "d", "e"))
CHOOSING: Final = replace(PEOPLE, groups_per_person=2)
EVENTS: Final = replace(PEOPLE, name="events", population="events", unit=None)

QUERY: Final = Query(
    "people", ("district",),
    (Statistic("n", StatisticKind.COUNT_ROWS), Statistic("total", StatisticKind.SUM, "income"),
     Statistic("mean", StatisticKind.MEAN, "income")),
    None, Privacy(Target.EPSILON, Fraction(1), Fraction(95, 100), Mechanism.GAUSSIAN))
RULES: Final = Rules(colluding=1, delta=Fraction(1, 10**7), tick_ms=50, round_ms=3_600_000, modulus_bits=3072)

# The same rows every time: hashes of the row's number.
_RECORDS: Final = f"""
    COPY (
        SELECT 'p' || lpad(CAST(person AS VARCHAR), 8, '0') AS pid,
               lpad(CAST((CASE WHEN hash(row, 2) % 5 = 0 THEN hash(row, 3) ELSE person END) % {GROUPS}
                         AS VARCHAR), 3, '0') AS district,
               CAST(hash(row, 4) % 200001 AS INTEGER) AS income
        FROM (SELECT row, hash(row, 1) % $people AS person FROM range($rows) AS r(row))
    ) TO $target (FORMAT parquet)"""
_FLOOR: Final = ("SELECT count(*) FROM (SELECT {unit}, sum(income) FROM "
                 "read_parquet($records, hive_partitioning = false) GROUP BY {unit})")
_PLAIN: Final = ("SELECT district, count(*), sum(income), avg(income) FROM "
                 "read_parquet($records, hive_partitioning = false) GROUP BY district")


@dataclass(frozen=True, slots=True)
class Setting:
    """Rows of the table, timed rounds, where the records and snapshots lie, and processors."""

    rows: int
    rounds: int
    folder: Path
    processors: int = 1

    def engine(self, table: Table) -> DuckDB:
        """The engine, its snapshot of *table* made."""
        source = self.folder / f"{self.rows}.parquet"
        if not source.exists():
            people = max(self.rows // ROWS_PER_PERSON, 1)
            partial = source.with_suffix(".partial")
            with duckdb.connect(":memory:", config={"memory_limit": "1GiB"}) as connection:
                connection.execute(_RECORDS, {"people": people, "rows": self.rows,
                                              "target": str(partial)})
            partial.rename(source)
        engine = DuckDB(self._state)
        engine.snapshot(table, source)
        return engine

    def query(self, table: Table, sql: str) -> Work:
        """*sql* over the snapshot of *table*, in a connection like the engine's."""
        records = snapshot.folder(self._state, table) / snapshot.RECORDS_FILE
        people = table.max_people
        connection = locked([records], self._state / "spill", memory(people), threads(people))
        text = sql.format(unit=f'"{UNIT}"')
        return Work(lambda: connection.execute(text, {"records": escaped(records)}).fetchall(), self.rows)

    @property
    def _state(self) -> Path:
        return self.folder.absolute() / f"state-{self.rows}"


def _bounding(
    setting: Setting, table: Table, query: Query, name: str, peer: str, sql: str
) -> Iterable[Row]:
    engine = setting.engine(table)
    query = replace(query, table=table.name)
    plan = make_plan(query, table, RULES)
    ours = Work(lambda: engine.measure(query, table, plan, b"benchmark"), setting.rows)
    with machine.spread(setting.processors):
        memory_grown = processes.grown(ours.run)
        if memory_grown is not None:
            yield Row(row=f"{name}_memory", mebibytes=memory_grown)
        found = compare(ours, setting.query(table, sql), setting.rounds)
    yield found.row(f"{name}_vs_{peer.replace(' ', '_')}", peer, "rows")
    yield Row(row=f"{name}_seconds", seconds=found.ours * setting.rows)
    yield Row(row=f"{name}_{peer.replace(' ', '_')}_seconds", seconds=found.peer * setting.rows)


def _people(setting: Setting, table: Table, query: Query, name: str) -> Iterable[Row]:
    return _bounding(setting, table, query, name, "person floor", _FLOOR)


def _briefly(setting: Setting, kind: StatisticKind, name: str) -> Iterable[Row]:
    """One statistic with fewer rounds: it is there to show that nothing is absurdly slow."""
    setting = replace(setting, rounds=min(setting.rounds, 3))
    return _people(setting, PEOPLE, _asking(kind), name)


def _asking(kind: StatisticKind) -> Query:
    half = Fraction(1, 2) if kind is StatisticKind.QUANTILE else None
    return replace(QUERY, statistics=(Statistic("asked", kind, "income", quantile=half),))


WORKLOADS: Final[tuple[Workload[Setting], ...]] = (
    Workload(("bound_vs_person_floor",), lambda s: _people(s, PEOPLE, QUERY, "bound")),
    Workload(("bound_groups_vs_person_floor",), lambda s: _people(s, CHOOSING, QUERY, "bound_groups")),
    Workload(("bound_row_vs_plain",), lambda s: _bounding(s, EVENTS, QUERY, "bound_row", "plain", _PLAIN)),
    Workload(("bound_variance_vs_person_floor",),
             lambda s: _briefly(s, StatisticKind.VARIANCE, "bound_variance")),
    Workload(("bound_median_vs_person_floor",),
             lambda s: _briefly(s, StatisticKind.QUANTILE, "bound_median")),
    Workload(postgres.ROWS, postgres.measure),
    Workload(spark.ROWS, spark.measure),
)


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--processors", type=int, default=1)
    parser.add_argument("--only", choices=[w.rows[0] for w in WORKLOADS], help="measure this row alone")
    parser.add_argument("--dir", type=Path, help="keep records and snapshots here, for the next run")
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = args.dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cotally-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        chosen = [w for w in WORKLOADS if args.only in (None, w.rows[0])]
        return work_through(chosen, Setting(args.rows, args.rounds, folder, args.processors),
                            rows=args.rows, rounds=args.rounds, processors=args.processors)


if __name__ == "__main__":
    sys.exit(main())
