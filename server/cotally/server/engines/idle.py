"""An engine over no record at all, for rehearsals: it compiles and lays out, and reads nothing."""

from pathlib import Path

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.engine import SnapshotReport
from cotally.server.engines.vector import groups, place
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


class Idle:
    """Measures nothing, whatever it is given."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def snapshot(self, table: Table, source: Path) -> SnapshotReport:
        """An empty snapshot."""
        return SnapshotReport(0, ())

    def open(self, table: Table) -> None:
        """Nothing to get ready."""

    def measure(self, query: Query, table: Table, plan: Plan, salt: bytes) -> list[int]:
        """A vector over no record."""
        passes = compile_measurement(query, table, plan, salt)
        return place([(each, ()) for each in passes], plan, groups(query, table))
