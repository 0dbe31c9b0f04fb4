"""The catalog between its message and the model."""

from fractions import Fraction

from cotally.server.model.catalog import Catalog, Column, ColumnType, Quality, Table
from cotally.v1 import catalog_pb2
from cotally.v1.refusals import Refusal, Refused

from .numbers import day, decimal

_TYPES = {
    catalog_pb2.COLUMN_TYPE_INTEGER: ColumnType.INTEGER,
    catalog_pb2.COLUMN_TYPE_FLOAT: ColumnType.FLOAT,
    catalog_pb2.COLUMN_TYPE_CATEGORY: ColumnType.CATEGORY,
    catalog_pb2.COLUMN_TYPE_DATE: ColumnType.DATE,
}


def from_message(message: catalog_pb2.Catalog) -> Catalog:
    """The catalog that planner and engines read."""
    return Catalog(message.federation, message.epoch, tuple(_table(t) for t in message.tables))


def _table(t: catalog_pb2.Table) -> Table:
    return Table(
        name=t.name, population=t.population, unit=t.unit_column or None, overlap=t.overlap,
        rows_per_person=t.rows_per_person, groups_per_person=t.groups_per_person,
        expected_people=t.expected_people, max_people=t.max_people,
        min_departments=t.min_departments, vintage=t.vintage,
        columns=tuple(_column(c) for c in t.columns), holders=tuple(t.holders),
        quality=_quality(t.quality, t.name) if t.HasField("quality") else None, pure=t.pure,
    )


def _quality(q: catalog_pb2.Quality, table: str) -> Quality:
    quality = Quality(decimal(q.unreliable, f"the quality of {table}"),
                      decimal(q.suppressed, f"the quality of {table}"))
    if not 0 < quality.unreliable <= quality.suppressed:
        raise Refused(Refusal.MALFORMED, f"the quality thresholds of {table} must be positive and ascend")
    return quality


def _column(c: catalog_pb2.Column) -> Column:
    match _TYPES.get(c.type):
        case ColumnType.INTEGER:
            return Column(c.name, ColumnType.INTEGER, c.nullable, lower=decimal(c.lower, c.name),
                          upper=decimal(c.upper, c.name), resolution=Fraction(1), weight=c.weight)
        case ColumnType.FLOAT:
            return Column(c.name, ColumnType.FLOAT, c.nullable, lower=decimal(c.lower, c.name),
                          upper=decimal(c.upper, c.name), resolution=decimal(c.resolution, c.name),
                          weight=c.weight)
        case ColumnType.CATEGORY:
            return Column(c.name, ColumnType.CATEGORY, c.nullable, codes=tuple(c.codes),
                          other=c.other, integer_codes=c.integer_codes)
        case ColumnType.DATE:
            return Column(c.name, ColumnType.DATE, c.nullable,
                          first=day(c.lower, c.name), last=day(c.upper, c.name))
        case _:
            raise Refused(Refusal.MALFORMED, f"column {c.name} has no known type")
