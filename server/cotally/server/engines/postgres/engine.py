"""The PostgreSQL engine: the server computes, the node receives one row of integers per group."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlglot import exp

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.engine import SnapshotReport
from cotally.server.engines.notes import counts, sentences
from cotally.server.engines.postgres import session, snapshot
from cotally.server.engines.postgres.render import Held, render
from cotally.server.engines.postgres.snapshot import Found
from cotally.server.engines.source import PostgresTable
from cotally.server.engines.terms import RECORDS, Bindings
from cotally.server.engines.vector import groups, place, relations
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query
from cotally.v1.refusals import Misconfigured

_KNOWN: Final = "snapshot.json"
_CHECK_MS: Final = 2_000  # looking up the copy is a matter of the catalog alone


class Postgres:
    """Measures vintages that an administrator made; remembers under *state* what they looked like."""

    def __init__(self, state: Path) -> None:
        self._state = state.absolute() / "postgres"
        self._sources: dict[str, PostgresTable] = {}
        self._found: dict[str, Found] = {}
        self._standing = session.Standing()

    def snapshot(self, table: Table, source: PostgresTable) -> SnapshotReport:
        """Find the vintage's copy and remember it; an identical one must be there ever after.

        Raises Misconfigured: a role that can write, a copy that is missing (the sentence names the
        command that makes it), or one that has changed.
        """
        self._sources[table.name] = source
        with self._standing.lend(source.url) as connection:
            session.check_server(connection)
            session.check_role(connection)
            with session.transaction(connection, 0):
                found = snapshot.find(connection, table, source)
                if found is None:
                    raise Misconfigured(missing(table, source))
                contents = snapshot.contents(connection, source, found)
                told = _notes(connection, table, source, found)
        self._remember(table, found, contents)
        self._found[table.name] = found
        return SnapshotReport(found.rows, told)

    def open(self, table: Table) -> None:
        """Reach the server and find the copies as they were; reads no record of them."""
        with self._reading(table, _CHECK_MS):
            pass

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector of *plan*, within D; the server stops working where it would be later."""
        passes = compile_measurement(query, table, plan, salt)
        held = {name: Held(part, _relation(self._source(part), self._found[part.name]))
                for name, part in relations(table).items()}
        statements = [render(each.tree, each.bindings, held) for each in passes]
        until = time.monotonic() + plan.answer_ms / 1000
        found = []
        with self._reading(table, plan.answer_ms) as connection:
            for text, parameters in statements:
                session.limit(connection, until - time.monotonic())
                found.append(integers(connection.execute(text.encode(), parameters).fetchall()))
        return place(zip(passes, found, strict=True), plan, groups(query, table))

    @contextmanager
    def _reading(self, table: Table, milliseconds: int) -> Iterator[session.Connection]:
        """One transaction in which every copy that *table* needs is the one that was found."""
        parts = [(part, self._source(part)) for part in relations(table).values()]
        urls = {source.url for _, source in parts}
        if len(urls) > 1:
            raise Misconfigured(f"table {table.name}: its parts lie in {len(urls)} databases; "
                                "a join needs both in one")
        with (self._standing.lend(urls.pop()) as connection,
              session.transaction(connection, milliseconds)):
            for part, source in parts:
                self._same(part, snapshot.find(connection, part, source))
            yield connection

    def close(self) -> None:
        """Leave the server."""
        self._standing.close()

    def _source(self, table: Table) -> PostgresTable:
        if table.name not in self._found:
            raise Misconfigured(f"table {table.name}: no snapshot of vintage {table.vintage} was found yet")
        return self._sources[table.name]

    def _same(self, table: Table, found: Found | None) -> None:
        if found is None or found.identity != self._found[table.name].identity:
            raise Misconfigured(f"table {table.name}: the snapshot of vintage {table.vintage} was replaced "
                                "after the node had found it; a vintage never changes")

    def _remember(self, table: Table, found: Found, contents: str) -> None:
        """Write down what the copy looks like, or compare it with what was written down."""
        folder = self._state / found.name
        file = folder / _KNOWN
        seen = {"identity": found.identity, "contents": contents}
        if not file.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = folder / f".{_KNOWN}"
            draft.write_text(json.dumps(seen))
            draft.replace(file)
        elif json.loads(file.read_text())["contents"] != contents:
            raise Misconfigured(f"table {table.name}: the snapshot of vintage {table.vintage} holds other "
                                "records than when the node first found it; a vintage never changes")


def missing(table: Table, source: PostgresTable) -> str:
    """What to do where nobody has made the vintage's copy."""
    return (f"table {table.name}: there is no snapshot of vintage {table.vintage} in schema {source.store}; "
            "`cotally node snapshot` prints the SQL with which the database's administrator makes it")


def _relation(source: PostgresTable, found: Found) -> exp.Expression:
    named = exp.table_(found.name, db=source.store, quoted=True)
    named.set("only", True)
    return named


def _notes(connection: session.Connection, table: Table, source: PostgresTable, found: Found
           ) -> tuple[str, ...]:
    if not found.rows:
        return (f"{source}: there is no record",)
    bindings = Bindings()
    held = {RECORDS: Held(table, _relation(source, found))}
    text, parameters = render(counts(table, bindings), bindings.values, held)
    (numbers,) = integers(connection.execute(text.encode(), parameters).fetchall())
    told = sentences(table, found.rows, found.filled, [0] * len(found.filled), numbers)
    return tuple(f"{source}: {sentence}" for sentence in told)


def integers(rows: Sequence[Sequence[object]]) -> list[list[int]]:
    """PostgreSQL's rows as integers: sums come as Decimal."""
    return [[int(str(value)) for value in row] for row in rows]
