"""The catalog as tables to look at: what can be asked, and within which public bounds."""

from typing import Final

import pandas as pd

from cotally.v1.catalog_pb2 import Catalog, Column, ColumnType, Table

from .question.draft import Name
from .question.names import find_table

_TYPE: Final = {
    ColumnType.COLUMN_TYPE_INTEGER: "integer",
    ColumnType.COLUMN_TYPE_FLOAT: "float",
    ColumnType.COLUMN_TYPE_CATEGORY: "category",
    ColumnType.COLUMN_TYPE_DATE: "date",
}
_TABLES: Final = (
    "table", "population", "unit", "pure", "departments", "min_departments", "expected_people", "max_people",
    "overlap", "rows_per_person", "groups_per_person", "vintage", "columns",
)
_COLUMNS: Final = ("column", "type", "lower", "upper", "resolution", "codes", "other", "nullable", "weight")


def tables(catalog: Catalog) -> pd.DataFrame:
    """Return one row per table, in the catalog's order. `unit` is "row" for event-level tables."""
    return pd.DataFrame([_table(table) for table in catalog.tables], columns=list(_TABLES))


def schema(catalog: Catalog, table: str) -> pd.DataFrame:
    """Return one row per column of *table*; Refused UNKNOWN_NAME with a suggestion if there is no such table.

    Bounds are the catalog's decimal texts, None where a type has none; `codes` is a tuple, empty but
    for categories, and `other` says whether NULL and unlisted codes have a cell of their own.
    """
    found = find_table(catalog, Name(table))
    rows = [_column(column) for column in found.columns]
    # As objects, or pandas would turn None into NaN.
    frame = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
    return frame.astype({"other": bool, "nullable": bool, "weight": bool})


def _table(table: Table) -> dict[str, object]:
    return {
        "table": table.name,
        "population": table.population,
        "unit": table.unit_column or "row",
        "pure": table.pure,
        "departments": tuple(table.holders),
        "min_departments": table.min_departments,
        "expected_people": table.expected_people,
        "max_people": table.max_people,
        "overlap": table.overlap,
        "rows_per_person": table.rows_per_person,
        "groups_per_person": table.groups_per_person,
        "vintage": table.vintage,
        "columns": tuple(column.name for column in table.columns),
    }


def _column(column: Column) -> dict[str, object]:
    return {
        "column": column.name,
        "type": _TYPE.get(column.type, "unknown"),
        "lower": column.lower or None,
        "upper": column.upper or None,
        "resolution": column.resolution or None,
        "codes": tuple(column.codes),
        "other": column.other,
        "nullable": column.nullable,
        "weight": column.weight,
    }
