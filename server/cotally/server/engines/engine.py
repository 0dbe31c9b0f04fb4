"""What a node needs of an engine; DuckDB is the first one, databases follow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """What the operator is told about a snapshot: counts of people's cells, never a value."""

    rows: int
    notes: tuple[str, ...]


class EngineError(Exception):
    """The engine broke down. The text names the kind of error and nothing that it read."""


class Engine(Protocol):
    """Turns one department's holding into one vector of integers."""

    def snapshot(self, table: Table, source: Path) -> SnapshotReport:
        """Freeze *source* as the table's current vintage, unless that was done before.

        Raises Misconfigured, naming file and column, where the source cannot be the table.
        """
        ...

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """The un-noised vector: refined integers within their caps, `plan.coordinates` of them.

        *salt* keys the hash that decides which groups of a person are kept.
        """
        ...
