"""A table of a connection: its schema, and questions about it built step by step."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .ask import Ask, Watcher
from .builder import TableQuery

if TYPE_CHECKING:
    import pandas as pd

    from .connection import Connection
    from .explain import Explanation
    from .release import Release


@dataclass(frozen=True)
class TableHandle(TableQuery):
    """A table of a connection: `schema()`, or a question built step by step."""

    connection: "Connection | None" = field(default=None, repr=False, compare=False)

    def schema(self) -> "pd.DataFrame":
        """One row per column: type, bounds, codes."""
        from .schema import schema
        return schema(self._line().charter.catalog, self.table)

    def ask(self) -> Ask:
        """The finished question, ready to explain or run."""
        line = self._line()
        return line.ask(self.question(line.charter.catalog))

    def explain(self) -> "Explanation":
        """Price and expected errors; spends nothing."""
        return self.ask().explain()

    def run(self, watch: Watcher | None = None) -> "Release":
        """Spend the price and return the verified release."""
        return self.ask().run(watch)

    def _line(self) -> "Connection":
        if self.connection is None:
            raise TypeError("this question belongs to no connection; start from con.table(...)")
        return self.connection
