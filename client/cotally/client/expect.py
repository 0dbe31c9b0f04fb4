"""Expected errors of a question before it is asked, from its plan alone. Nothing is spent."""

from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from .decode.estimate import Measured, ratio
from .decode.rows import blocks_for
from .published import column_of, rational
from .verify.claims import groups


def expected_errors(
    plan: round_pb2.Plan, query: query_pb2.Query, catalog: catalog_pb2.Catalog,
    departments: int | None = None,
) -> dict[str, float | None]:
    """Return {alias: half-width of its interval}, in the column's terms, at the query's confidence.

    Exact for counts and sums when *departments* add noise (default: every holder of the table). Means
    are conditional (see `condition`); None where even then the interval would be the whole line.
    """
    table = _table(catalog, query.table)
    adding = len(table.holders) if departments is None else departments
    confidence = float(query.privacy.confidence)
    errors: dict[str, float | None] = {}
    for statistic in query.statistics:
        blocks = blocks_for(plan, table, statistic)
        top, *bottom = (Measured.of(block, plan.mechanism, adding) for block in blocks)
        if not bottom:
            errors[statistic.alias] = top.half_width(confidence)
        else:
            column = column_of(table, statistic.column)
            distance = _farthest(column, top.centre)
            errors[statistic.alias] = _mean_error(
                top, bottom[0], people(query, table), distance, confidence)
    return errors


def people(query: query_pb2.Query, table: catalog_pb2.Table) -> float:
    """Return how many people a group would have if `expected_people` spread evenly over the groups."""
    return table.expected_people / groups(query, table)


def condition(query: query_pb2.Query, catalog: catalog_pb2.Catalog) -> str | None:
    """Return the sentence that the expected errors of means depend on; None without means."""
    names = [s.alias for s in query.statistics if s.kind == query_pb2.STATISTIC_KIND_MEAN]
    if not names:
        return None
    count = people(query, _table(catalog, query.table))
    return (f"the expected error of {', '.join(names)} is the most for groups of at least {count:,.0f} rows "
            "(expected_people spread evenly over the groups); smaller groups have larger errors")


def _farthest(column: catalog_pb2.Column, centre: float) -> float:
    """Return how far from *centre* a mean can lie: at the farther of the column's bounds."""
    return max(abs(float(rational(bound, "bound")) - centre) for bound in (column.lower, column.upper))


def _mean_error(
    top: Measured, bottom: Measured, rows: float, distance: float, confidence: float,
) -> float | None:
    """Return half the width of Fieller's interval for *rows* rows whose mean is *distance* off centre.

    The farther a mean is from the centre, the more the noise in the number of rows matters.
    """
    above, below = round(rows * distance / top.worth), round(rows / bottom.worth)
    estimate = ratio(top, bottom, above, below, confidence)
    if estimate.low is None or estimate.high is None:
        return None
    return (estimate.high - estimate.low) / 2


def _table(catalog: catalog_pb2.Catalog, name: str) -> catalog_pb2.Table:
    for table in catalog.tables:
        if table.name == name:
            return table
    raise Refused(Refusal.UNKNOWN_NAME, f"the catalog knows no table {name!r}")
