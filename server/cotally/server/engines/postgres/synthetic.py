"""Measures records that are no one's, given as text: decoding, bounding and summing, but no table.

The records travel as bound arrays, so a role that can only read can run it on the real server.
"""

from collections.abc import Mapping, Sequence

from sqlglot import exp

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.postgres import session, snapshot
from cotally.server.engines.postgres.render import Parameter, render
from cotally.server.engines.terms import RECORDS
from cotally.server.engines.vector import groups, place
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query

_RELATION = "synthetic"


def measure(
    connection: session.Connection, records: Sequence[Mapping[str, str]], query: Query, table: Table,
    plan: Plan, salt: bytes,
) -> list[int]:
    """The vector of *plan* over *records*, each a text by column name, as a text column would hold it."""
    measurement = compile_measurement(query, table, plan, salt)
    relation = exp.to_table(_RELATION)
    relation.set("alias", exp.TableAlias(this=exp.to_identifier(RECORDS)))
    text, parameters = render(measurement, table, relation)
    names = [str(table.unit) if c is None else c.name for c in snapshot.wanted(table)]
    prepared, decoded, _ = snapshot.parts(table, _RELATION, dict.fromkeys(names, "text"))
    distinct = list(dict.fromkeys(names))
    first = len(parameters)
    arrays = ", ".join(f"${first + i + 1}::text[]" for i in range(len(distinct)))
    columns = ", ".join(str(exp.to_identifier(name, quoted=True).sql("postgres")) for name in distinct)
    source = (f"SELECT {decoded} FROM"  # noqa: S608
              f" (SELECT {prepared} FROM unnest({arrays}) AS given({columns})) AS raw")
    cells: list[Parameter] = [[record[name] for record in records] for name in distinct]
    with session.transaction(connection, 0):
        rows = connection.execute(_with(_RELATION, source, text).encode(), [*parameters, *cells]).fetchall()
    return place([[int(str(value)) for value in row] for row in rows], plan, groups(query, table))


def _with(name: str, source: str, text: str) -> str:
    """*text*, which begins with WITH, given one more relation in front."""
    head, rest = text[:5], text[5:]
    assert head == "WITH "
    return f"WITH {name} AS ({source}), {rest}"
