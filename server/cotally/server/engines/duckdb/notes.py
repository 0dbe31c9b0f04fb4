"""What the operator is told about a snapshot's cells: sentences with counts, never a value."""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
from sqlglot import exp

from cotally.server.engines.duckdb.lockdown import escaped
from cotally.server.engines.predicate import nearest
from cotally.server.engines.terms import UNIT, Bindings, column
from cotally.server.model.catalog import Column, ColumnType, Table

_WHAT = {
    ColumnType.INTEGER: "integers",
    ColumnType.FLOAT: "numbers",
    ColumnType.DATE: "dates (YYYY-MM-DD)",
    ColumnType.CATEGORY: "UTF-8 text",
}


def notes(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    file: str,
    records: Path,
    rows: int,
    filled: Sequence[int],
    unreadable: Sequence[int],
) -> tuple[str, ...]:
    """One sentence per thing that is odd about the *rows* rows in *records*.

    *filled* and *unreadable* say, per source column (the unit's first, where there is one), how many
    cells were not empty, and how many more were emptied because they are no text.
    """
    if not rows:
        return (f"{file}: there is a header and no record",)
    bindings = Bindings()
    counts: list[exp.Expression] = []
    for declared in table.columns:
        value = column(declared.name)
        counts += [exp.Count(this=value), exp.CountIf(this=_odd(declared, bindings))]
    if table.unit is not None:
        counts += [exp.Count(this=column(UNIT)), exp.Count(this=exp.Distinct(expressions=[column(UNIT)]))]
    source = exp.Anonymous(this="read_parquet", expressions=[exp.Placeholder(this="records")])
    tree = exp.select(*counts).from_(exp.Table(this=source))
    found = connection.execute(
        tree.sql("duckdb"), {**bindings.values, "records": escaped(records)}
    ).fetchone()
    assert found is not None
    return tuple(
        f"{file}: {sentence}" for sentence in _sentences(table, rows, filled, unreadable, list(found))
    )


def _sentences(
    table: Table, rows: int, filled: Sequence[int], unreadable: Sequence[int], found: list[int]
) -> Iterator[str]:
    first = 0
    if table.unit is not None:
        first = 1
        named, people = found[-2:]
        if named < rows:
            yield f"{rows - named} records have no {table.unit} and leave"
    else:
        people = rows
    if people > table.max_people:
        yield (f"there are {people} privacy units, more than max_people = {table.max_people} of the catalog: "
               "sums are cut off there, and too small")
    for place, declared in enumerate(table.columns):
        valid, odd = found[2 * place : 2 * place + 2]
        lost = filled[first + place] + unreadable[first + place] - valid
        if lost:
            yield f"{lost} cells of column {declared.name} are not {_WHAT[declared.type]} and count as NULL"
        if not declared.nullable and valid < rows:
            yield f"{rows - valid} records have NULL in column {declared.name}, declared without"
        if odd and declared.type is ColumnType.CATEGORY:
            fate = "count as other" if declared.other else "leave where it is a key"
            yield f"{odd} cells of column {declared.name} are not among its codes and {fate}"
        elif odd:
            yield f"{odd} cells of column {declared.name} lie outside its bounds"


def _odd(declared: Column, bindings: Bindings) -> exp.Expression:
    """TRUE for a value that its declaration does not foresee."""
    value = column(declared.name)
    if declared.type is ColumnType.CATEGORY:
        codes = [bindings.bind(unicodedata.normalize("NFC", code)) for code in declared.codes]
        return value.isin(*codes).not_() if codes else value.is_(exp.null()).not_()
    if declared.type is ColumnType.DATE:
        low, high = bindings.bind(declared.first), bindings.bind(declared.last)
    else:
        low, high = bindings.bind(nearest(declared.lower)), bindings.bind(nearest(declared.upper))
    return exp.Not(this=exp.Between(this=value, low=low, high=high))
