"""Expected errors of a question before it is asked, from its plan alone. Nothing is spent."""

from fractions import Fraction

from cotally.v1 import catalog_pb2, query_pb2, round_pb2

from .assume import Basis, basis, totals
from .decode.methods import METHODS
from .decode.rows import asked_of
from .scope import effective
from .verify.claims import groups


def expected_errors(
    plan: round_pb2.Plan, query: query_pb2.Query, catalog: catalog_pb2.Catalog,
    departments: int | None = None,
) -> dict[str, float | None]:
    """Return {alias: half-width of its interval}, in the column's terms, at the query's confidence.

    Exact for counts, sums, persons and single bins when *departments* add noise (default: every holder of the
    table). The others are conditional (see `conditions`); None where even then there would be no interval. Of
    a regression it is that of the first slope.
    """
    table = effective(query, catalog)
    adding = len(table.holders) if departments is None else departments
    rows = Fraction(max(table.expected_people, 1), groups(query, table))
    errors: dict[str, float | None] = {}
    for asked in asked_of(plan, query, table, adding):
        statistic = asked.statistic
        if basis(statistic) is Basis.EXACT:
            errors[statistic.alias] = asked.measured[0].half_width(asked.confidence)
            continue
        found = METHODS[statistic.kind](asked)(totals(asked, rows))
        one = found.cells[1].estimate if found.cells else found
        errors[statistic.alias] = None if one.low is None or one.high is None else (one.high - one.low) / 2
    return errors


def bases(query: query_pb2.Query) -> dict[str, str]:
    """Return {alias: "exact", "people" or "even"}: on what each expected error rests."""
    return {statistic.alias: str(basis(statistic)) for statistic in query.statistics}


def people(query: query_pb2.Query, table: catalog_pb2.Table) -> float:
    """Return how many people a group would have if `expected_people` spread evenly over the groups."""
    return table.expected_people / groups(query, table)


def condition(query: query_pb2.Query, catalog: catalog_pb2.Catalog) -> str | None:
    """Return what the expected errors of all but counts and sums depend on, in words; None without any."""
    named = {each: [s.alias for s in query.statistics if basis(s) is each] for each in Basis}
    count = people(query, effective(query, catalog))
    spread = f"{count:,.0f} rows (expected_people spread evenly over the groups)"
    sentences = []
    if named[Basis.PEOPLE]:
        sentences.append(
            f"the expected error of {', '.join(named[Basis.PEOPLE])} is the most for groups of at least "
            f"{spread}; smaller groups have larger errors"
        )
    if named[Basis.EVEN]:
        sentences.append(
            f"the expected error of {', '.join(named[Basis.EVEN])} assumes groups of {spread} and values"
            " spread evenly over the bounds, independent of each other"
        )
    return "; ".join(sentences) or None
