"""Which blocks a query needs, over which groups, and whose noise it may count on."""

from dataclasses import dataclass
from math import prod

from cotally.v1.refusals import Refusal, Refused

from ..model.catalog import Table
from ..model.plan import Rules
from ..model.query import Mechanism, Query
from ..statistics.encoding import Bounds, Encoding
from ..statistics.registry import METHODS
from ..statistics.request import Request
from . import limits


@dataclass(frozen=True, slots=True)
class Layout:
    """A query's vector before it is priced: its distinct blocks, and which of them each statistic reads."""

    requests: tuple[Request, ...]
    encodings: tuple[Encoding, ...]
    readings: tuple[tuple[int, ...], ...]  # per statistic: positions in `encodings`
    groups: int
    bounds: Bounds
    honest: int  # departments whose noise shares carry the release
    departments: int  # that may add to a total

    @property
    def coordinates(self) -> int:
        """Length of the vector."""
        return self.groups * sum(encoding.width for encoding in self.encodings)

    @property
    def passes(self) -> int:
        """How often a department reads its records: once for all sums, once more per block of leaves."""
        leaved = sum(encoding.leaves is not None for encoding in self.encodings)
        return leaved + (leaved < len(self.encodings))

    def sensitivity_squared(self, encoding: Encoding, mechanism: Mechanism) -> int:
        """Squared sensitivity in the norm of *mechanism*, in unrefined integers."""
        if mechanism is Mechanism.GAUSSIAN:
            return self.bounds.l2_squared(encoding)
        return self.bounds.l1(encoding) ** 2

    def share_of(self, mechanism: Mechanism) -> int:
        """By how many departments the noise is shared: pure epsilon takes all of it from each one."""
        return self.honest if mechanism is Mechanism.GAUSSIAN else 1


def lay_out(query: Query, table: Table, rules: Rules) -> Layout:
    """The layout of a checked query.

    Raises Refused: NOT_ALLOWED where too few departments would be honest, UNSUPPORTED where the
    vector is too long or a column's sums are too large.
    """
    honest = _honest(table, rules)
    if min(table.rows_per_person, table.groups_per_person, table.overlap, table.max_people) < 1:
        raise Refused(Refusal.UNSUPPORTED, f"table {table.name!r} declares a contribution bound below 1")
    groups = prod(len(column.keys) for key in query.keys if (column := table.column(key)) is not None)
    requests = tuple(Request.of(statistic, table) for statistic in query.statistics)
    wanted = [METHODS[request.statistic.kind].encodings(request) for request in requests]
    encodings = tuple(dict.fromkeys(each for blocks in wanted for each in blocks))
    if len(encodings) > limits.MAX_BLOCKS:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the statistics need {len(encodings)} different sums in every group, more than "
            f"{limits.MAX_BLOCKS}; ask for them in several queries",
        )
    places = {encoding: place for place, encoding in enumerate(encodings)}
    readings = tuple(tuple(places[each] for each in blocks) for blocks in wanted)
    coordinates = groups * sum(encoding.width for encoding in encodings)
    if not 0 < coordinates <= limits.MAX_COORDINATES:
        raise Refused(
            Refusal.UNSUPPORTED,
            f"the query asks for {coordinates} numbers ({groups} groups); "
            f"between 1 and {limits.MAX_COORDINATES} can be released at once",
        )
    bounds = Bounds.of(table, groups)
    return Layout(requests, encodings, readings, groups, bounds, honest, max(len(table.holders), 1))


def _honest(table: Table, rules: Rules) -> int:
    """h: departments of every release that do not collude."""
    if len(table.holders) == 1:
        return 1  # its own data, its own noise: nobody else's share is needed
    honest = table.min_departments - rules.colluding
    if honest < 1 or table.min_departments < 2:
        raise Refused(
            Refusal.NOT_ALLOWED,
            f"table {table.name!r} is released from {table.min_departments} departments on, of which "
            f"{rules.colluding} may collude: no honest noise would be left",
        )
    return honest
