"""Whether a site's engine gives the same integers as DuckDB does: one finding per table."""

from functools import partial

from cotally.server.engines import parity as engines_parity
from cotally.server.engines.engine import EngineError
from cotally.server.engines.source import File, PostgresTable, Source
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Rules
from cotally.v1.refusals import Misconfigured

from .findings import UNREACHABLE, Finding, fail, ok, warn


def parity(table: Table, source: Source, rules: Rules) -> Finding:
    """Compare; nothing of the source is read, and a role that can only read suffices."""
    check = f"parity.{table.name}"
    if isinstance(source, File):
        return ok(check, "files are read by DuckDB itself")
    try:
        from cotally.server.engines.duckdb import synthetic as reference
    except ModuleNotFoundError:
        return warn(check, "there is no DuckDB to compare with", "pip install 'cotally[node]'")
    try:
        found = _differences(table, source, rules, reference.measure)
    except EngineError as reason:
        return fail(check, str(reason), "ask whether the database runs", UNREACHABLE)
    except Misconfigured as reason:
        return fail(check, reason.message, "mend the database, or its address")
    if found:
        worst = found[0]
        return fail(check, f"{len(found)} questions differ from DuckDB, the first in {worst.coordinates} of "
                           f"{worst.of} coordinates: {worst.question}",
                    "do not serve with this engine; report its version with this line")
    return ok(check, "the same integers as DuckDB")


def _differences(table: Table, source: Source, rules: Rules, theirs: engines_parity.Measure
                 ) -> list[engines_parity.Difference]:
    if isinstance(source, PostgresTable):
        from cotally.server.engines.postgres import session
        from cotally.server.engines.postgres import synthetic as of_postgres
        with session.connect(source.url) as connection:
            session.check_server(connection)
            return engines_parity.differences(table, rules, partial(of_postgres.measure, connection), theirs)
    assert not isinstance(source, File)
    from cotally.server.engines.spark import synthetic as of_spark
    return engines_parity.differences(table, rules, of_spark.measuring(source.url), theirs)
