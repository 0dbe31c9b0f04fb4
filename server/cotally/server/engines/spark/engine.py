"""The Spark engine: a vintage is a folder of Parquet that Spark wrote once; Spark computes over it."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from sqlglot import exp

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.engine import EngineError, SnapshotReport
from cotally.server.engines.notes import counts, sentences
from cotally.server.engines.snapshot_names import UNIT_COLUMN, field_name, name_of, wanted
from cotally.server.engines.source import SparkTable
from cotally.server.engines.spark import decode, rights
from cotally.server.engines.spark import session as sessions
from cotally.server.engines.spark.render import halves, plainly, render
from cotally.server.engines.terms import RECORDS, Bindings, Bound
from cotally.server.engines.vector import groups, place, relations
from cotally.server.model.catalog import ColumnType, Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query
from cotally.v1.refusals import Misconfigured

_REPORT: Final = "report.json"
_AGAIN: Final = 0.2  # seconds from one interruption to the next
_STORED: Final = {ColumnType.INTEGER: "BIGINT", ColumnType.FLOAT: "DOUBLE", ColumnType.CATEGORY: "STRING",
                  ColumnType.DATE: "DATE"}


class Spark:
    """Snapshots into a folder that Spark reaches, and measures there; keeps reports under *state*."""

    def __init__(self, state: Path) -> None:
        self._state = state.absolute() / "spark"
        self._sources: dict[str, SparkTable] = {}
        self._sessions: dict[str, SparkSession] = {}
        self._views: dict[str, str] = {}  # by snapshot, as `open` found them last

    def snapshot(self, table: Table, source: SparkTable) -> SnapshotReport:
        """Copy *source*, decoded, into the table's vintage; an existing vintage is left as it is."""
        self._sources[table.name] = source
        session = self._session(source)
        folder = self._state / name_of(table, str(source))
        target = self._target(table, source)
        with stopping():
            if (folder / _REPORT).exists():
                stored = json.loads((folder / _REPORT).read_text())
                self._same(table, _written(session, table, target), stored["files"])
                return SnapshotReport(stored["rows"], tuple(stored["notes"]))
            given = self._read(session, source)
            prepared, decoded, filled = parts(table, str(source), dict(given.dtypes))
            rights.check(session, given, source, target.rpartition("/")[0])
            given.createOrReplaceTempView("cotally_source")
            cells = session.sql(f"SELECT {prepared} FROM cotally_source")  # noqa: S608
            _write(cells.selectExpr(*decoded), table, target)
            (rows, *present), = cells.selectExpr("count(*)", *filled).collect()
            written = _written(session, table, target)
            found = self._counted(session, table, written)
        told = () if not rows else tuple(
            f"{source}: {s}" for s in sentences(table, rows, present, [0] * len(present), found))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stored = {"rows": rows, "notes": told, "files": sorted(written.inputFiles())}
        draft = folder / f".{_REPORT}"
        draft.write_text(json.dumps(stored))
        draft.replace(folder / _REPORT)
        return SnapshotReport(rows, told)

    def open(self, table: Table) -> None:
        """Reach Spark and see that the vintage's files are those that were written; reads none of them."""
        for part in relations(table).values():
            self._view(part)

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector of *plan*; Spark is interrupted where it would be later than D."""
        held = {name: (part, self._known(part)) for name, part in relations(table).items()}
        urls = {self._source(part).url for part, _ in held.values()}
        if len(urls) > 1:
            raise Misconfigured(f"table {table.name}: its parts lie in {len(urls)} Sparks; "
                                "a join needs both in one")
        session = self._sessions[urls.pop()]
        passes = compile_measurement(query, table, plan, salt)
        with interrupting(session, plan.answer_ms / 1000), stopping():
            found = [collect(session, each.tree, each.bindings, held) for each in passes]
        return place(zip(passes, found, strict=True), plan, groups(query, table))

    def _source(self, table: Table) -> SparkTable:
        if table.name not in self._sources:
            raise Misconfigured(f"table {table.name}: no snapshot of vintage {table.vintage} was made yet")
        return self._sources[table.name]

    def _session(self, source: SparkTable) -> SparkSession:
        if source.url not in self._sessions:
            self._sessions[source.url] = sessions.connect(source.url, self._state)
        return self._sessions[source.url]

    def _target(self, table: Table, source: SparkTable) -> str:
        store = source.store or str(self._state / "snapshots")
        return f"{store.rstrip('/')}/{name_of(table, str(source))}"

    def _read(self, session: SparkSession, source: SparkTable) -> DataFrame:
        try:
            given = session.read.parquet(source.path) if source.path else session.table(source.table)
            given.dtypes  # noqa: B018  asks Spark, which reads nothing until then
        except PySparkException as error:
            raise Misconfigured(f"Spark does not find {source} ({sessions.kind(error)})") from None
        except Exception as error:  # py4j and gRPC have errors of their own
            raise Misconfigured(f"Spark may not read {source} ({type(error).__name__})") from None
        return given

    def _known(self, table: Table) -> str:
        """The view over the vintage of *table* that was opened for this round; it names its files."""
        name = name_of(table, str(self._source(table)))
        return self._views.get(name) or self._view(table)

    def _view(self, table: Table) -> str:
        """The view over the vintage of *table*, files compared with those that were written."""
        source = self._source(table)
        stored = json.loads((self._state / name_of(table, str(source)) / _REPORT).read_text())
        with stopping():
            frame = _written(self._session(source), table, self._target(table, source))
            self._same(table, frame, stored["files"])
            known = name_of(table, str(source))
            name = self._views[known] = "cotally_" + known.rpartition("~")[2]
            frame.createOrReplaceTempView(name)
        return name

    def _same(self, table: Table, frame: DataFrame, files: Sequence[str]) -> None:
        if sorted(frame.inputFiles()) != list(files):
            raise Misconfigured(f"table {table.name}: the snapshot of vintage {table.vintage} has other "
                                "files than were written; a vintage never changes")

    def _counted(self, session: SparkSession, table: Table, written: DataFrame) -> list[int]:
        written.createOrReplaceTempView("cotally_written")
        bindings = Bindings()
        tree = counts(table, bindings)
        (numbers,) = collect(session, tree, bindings.values, {RECORDS: (table, "cotally_written")})
        return numbers


def _write(cells: DataFrame, table: Table, target: str) -> None:
    try:
        cells.write.mode("error").parquet(target)
    except PySparkException as error:
        if sessions.kind(error) != "PATH_ALREADY_EXISTS":
            raise
        raise Misconfigured(f"table {table.name}: {target} is there already, and this node did not finish "
                            f"writing it; remove that folder, and vintage {table.vintage} is made again"
                            ) from None


def _written(session: SparkSession, table: Table, target: str) -> DataFrame:
    """The vintage's files, of a known schema: Spark need not open them to find out."""
    kinds = ["STRING" if column is None else _STORED[column.type] for column in wanted(table)]
    names = [UNIT_COLUMN if column is None else field_name(table.columns.index(column))
             for column in wanted(table)]
    schema = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    return session.read.schema(schema).parquet(target)


def parts(table: Table, origin: str, kinds: dict[str, str]) -> tuple[str, list[str], list[str]]:
    """The prepared cells, the decoded ones, and counts of those that were not empty; *kinds* by name."""
    prepared, decoded, filled = [], [], []
    for position, column in enumerate(wanted(table)):
        named = str(table.unit) if column is None else column.name
        kind = kinds.get(named)
        if kind is None:
            raise Misconfigured(f"{origin} has no column {named}")
        cell = f"r{position}"
        try:
            value = decode.unit(cell, kind) if column is None else decode.value(column, cell, kind)
        except decode.Undecodable as expected:
            raise Misconfigured(f"{origin}: column {named} is of type {kind}, which is not {expected}"
                                ) from None
        stored = "STRING" if column is None else _STORED[column.type]
        target = UNIT_COLUMN if column is None else field_name(table.columns.index(column))
        prepared.append(f"{decode.raw('`' + named.replace('`', '``') + '`', kind)} AS {cell}")
        decoded.append(f"CAST({value} AS {stored}) AS {target}")
        filled.append(f"count({cell})")
    return ", ".join(prepared), decoded, filled


@contextmanager
def stopping() -> Iterator[None]:
    """Spark's errors as EngineError, which names their class alone."""
    try:
        yield
    except PySparkException as error:
        raise EngineError(f"Spark stopped with {sessions.kind(error)}") from None
    except (Misconfigured, EngineError):
        raise
    except Exception as error:  # py4j and gRPC have errors of their own
        raise EngineError(f"Spark stopped with {type(error).__name__}") from None


@contextmanager
def interrupting(session: SparkSession, seconds: float) -> Iterator[None]:
    """Interrupt this thread's queries after *seconds*, also those that begin later; EngineError then."""
    tag, done, late = f"cotally-{threading.get_ident()}", threading.Event(), threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        late.set()
        while not done.is_set():  # Spark interrupts what runs, and a query may be about to
            session.interruptTag(tag)
            done.wait(_AGAIN)

    session.addTag(tag)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        session.removeTag(tag)
    if late.is_set():
        raise EngineError("Spark stopped with no answer in time")


def collect(
    session: SparkSession, tree: exp.Select, bindings: Mapping[str, Bound],
    held: Mapping[str, tuple[Table, str]],
) -> list[list[int]]:
    """The rows of *tree*, as integers."""
    try:
        return _rows(session, *render(tree, bindings, held, plainly))
    except PySparkException as error:
        if "OVERFLOW" not in sessions.kind(error):
            raise
    return _rows(session, *render(tree, bindings, held, halves))


def _rows(session: SparkSession, text: str, arguments: dict[str, Any]) -> list[list[int]]:
    return [[int(value) for value in row] for row in session.sql(text, args=arguments).collect()]
