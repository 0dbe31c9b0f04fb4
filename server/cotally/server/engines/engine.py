"""What a node needs of an engine: DuckDB, PostgreSQL and Spark each are one."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query

Where = TypeVar("Where", contravariant=True)


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What the operator is told about a snapshot: counts of people's cells, never a value."""

    rows: int
    notes: tuple[str, ...]


class EngineError(Exception):
    """The engine broke down. The text names the kind of error and nothing that it read."""


class Measures(Protocol):
    """Turns one department's holding into vectors of integers."""

    def open(self, table: Table) -> None:
        """Get ready to measure *table*; reads no record.

        Raises EngineError where the engine cannot be reached, Misconfigured where the vintage is not
        there or is no longer the one that was announced: both are the same for every record.
        """
        ...

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector: refined integers within their caps, `plan.coordinates` of them.

        *salt* keys the hash that decides which groups of a person are kept.
        """
        ...


class Engine(Measures, Protocol[Where]):
    """An engine that also freezes what it is to measure."""

    def snapshot(self, table: Table, source: Where) -> SnapshotReport:
        """Freeze *source* as the table's current vintage, unless that was done before.

        Raises Misconfigured, naming source and column, where the source cannot be the table.
        """
        ...
