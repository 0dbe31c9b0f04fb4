"""Measures records that are no one's, given as text: decoding, bounding and summing, but no table.

The records travel as bound arrays, so a role that can only read can run it on the real server.
"""

from collections.abc import Mapping, Sequence

from sqlglot import exp

from cotally.server.engines.compile import compile_measurement
from cotally.server.engines.postgres import session, snapshot
from cotally.server.engines.postgres.engine import integers
from cotally.server.engines.postgres.render import Held, Parameter, render
from cotally.server.engines.snapshot_names import wanted
from cotally.server.engines.vector import groups, place, relations
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Plan
from cotally.server.model.query import Query


def measure(
    connection: session.Connection, records: Sequence[Mapping[str, str]], query: Query, table: Table,
    plan: Plan, salt: bytes,
) -> list[int]:
    """The vector of *plan* over *records*, each a text by column name, as a text column would hold it."""
    held = {name: Held(part, exp.to_table(f"synthetic_{name}")) for name, part in relations(table).items()}
    passes = compile_measurement(query, table, plan, salt)
    found = []
    with session.transaction(connection, 0):
        for each in passes:
            text, parameters = render(each.tree, each.bindings, held)
            for name, part in relations(table).items():
                text = _given(f"synthetic_{name}", part, records, text, parameters)
            found.append(integers(connection.execute(text.encode(), parameters).fetchall()))
    return place(zip(passes, found, strict=True), plan, groups(query, table))


def _given(
    name: str, table: Table, records: Sequence[Mapping[str, str]], text: str, parameters: list[Parameter]
) -> str:
    """*text*, which begins with WITH, given the relation *name*; its cells are added to *parameters*."""
    needed = [str(table.unit) if c is None else c.name for c in wanted(table)]
    prepared, decoded, _ = snapshot.parts(table, name, dict.fromkeys(needed, "text"))
    distinct = list(dict.fromkeys(needed))
    arrays = ", ".join(f"${len(parameters) + i + 1}::text[]" for i in range(len(distinct)))
    columns = ", ".join(exp.to_identifier(column, quoted=True).sql("postgres") for column in distinct)
    parameters += [[record[column] for record in records] for column in distinct]
    source = (f"SELECT {decoded} FROM"  # noqa: S608
              f" (SELECT {prepared} FROM unnest({arrays}) AS given({columns})) AS raw")
    head, rest = text[:5], text[5:]
    assert head == "WITH "
    return f"WITH {name} AS MATERIALIZED ({source}), {rest}"  # decoded once, not wherever a cell is used
