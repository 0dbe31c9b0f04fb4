"""What the operator is told about a snapshot's cells: sentences with counts, never a value.

An engine counts (`counts` says what, as expressions over the snapshot's columns) and says in what
order it got the numbers back; the sentences are the same for all.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from sqlglot import exp

from cotally.server.engines.predicate import nearest
from cotally.server.engines.terms import RECORDS, UNIT, Bindings, column
from cotally.server.model.catalog import LONGEST_TEXT, Column, ColumnType, Table

_WHAT: Final = {
    ColumnType.INTEGER: "integers",
    ColumnType.FLOAT: "numbers",
    ColumnType.DATE: "dates (YYYY-MM-DD)",
    ColumnType.CATEGORY: f"UTF-8 text of at most {LONGEST_TEXT:,} characters",
}


def counts(table: Table, bindings: Bindings) -> exp.Select:
    """A query over `records` for one row: per column the values and the odd ones, then units and people."""
    wanted: list[exp.Expression] = []
    for declared in table.columns:
        odd = exp.If(this=_odd(declared, bindings), true=exp.Literal.number(1))
        wanted += [exp.Count(this=column(declared.name, RECORDS)), exp.Count(this=exp.Case(ifs=[odd]))]
    if table.unit is not None:
        unit = column(UNIT, RECORDS)
        wanted += [exp.Count(this=unit), exp.Count(this=exp.Distinct(expressions=[unit.copy()]))]
    return exp.select(*wanted).from_(exp.to_table(RECORDS))


def sentences(
    table: Table, rows: int, filled: Sequence[int], unreadable: Sequence[int], found: Sequence[int]
) -> Iterator[str]:
    """One sentence per thing that is odd about *rows* rows, of which `counts` found *found*.

    *filled* and *unreadable* say, per source column (the unit's first, where there is one), how many
    cells were not empty, and how many more were emptied because they are no text.
    """
    first = 0
    if table.unit is not None:
        first = 1
        named, people = found[-2:]
        if named < rows:
            yield f"{rows - named} records have no {table.unit} and leave"
        if table.rows_per_person == table.groups_per_person == 1 and people < named:
            yield (f"{named - people} records repeat a {table.unit}: a person with several counts "
                   "once, by their average")
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
    value = column(declared.name, RECORDS)
    if declared.type is ColumnType.CATEGORY:
        codes = [bindings.bind(unicodedata.normalize("NFC", code)) for code in declared.codes]
        return value.isin(*codes).not_() if codes else value.is_(exp.null()).not_()
    if declared.type is ColumnType.DATE:
        low, high = bindings.bind(declared.first), bindings.bind(declared.last)
    else:
        low, high = bindings.bind(nearest(declared.lower)), bindings.bind(nearest(declared.upper))
    return exp.Not(this=exp.Between(this=value, low=low, high=high))
