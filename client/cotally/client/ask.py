"""A question that is ready: explained for nothing, or run for its price."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cotally.v1 import analyst_pb2, query_pb2
from cotally.v1.refusals import Refusal, Refused

if TYPE_CHECKING:
    from .connection import Connection
    from .explain import Explanation
    from .release import Release

Watcher = Callable[[analyst_pb2.Progress], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that is ready: explain it for nothing, or run it for its price."""

    connection: "Connection" = field(repr=False)
    query: query_pb2.Query
    purpose: str
    only_price: bool = False  # it begins with EXPLAIN PRIVACY
    replay: bool = True  # the stored release of an equal question will do

    def explain(self) -> "Explanation":
        """Price, expected errors and what the filters have left; spends nothing."""
        from .explain import Explanation
        quote = self.connection.quote(self.query, self.purpose)
        if not self.replay:
            quote.ClearField("release")
        return Explanation.of(quote, self.query, self.connection.charter)

    def run(self, watch: Watcher | None = None) -> "Release":
        """Spend the price and return the verified release; *watch* is called with each step."""
        if self.only_price:
            raise Refused(
                Refusal.UNSUPPORTED,
                "the question begins with EXPLAIN PRIVACY, so it spends nothing:"
                " .explain() tells its price; leave these words out to run it",
            )
        return self.connection.run(self.query, self.purpose, watch, self.replay)
