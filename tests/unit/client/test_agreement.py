"""Client and server, which share no code, see the same table and the same edges in one question."""

from datetime import date
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.client import leaves as client_leaves
from cotally.client.scope import effective as client_effective
from cotally.server.model.catalog import ColumnType
from cotally.server.model.plan import LeafScale, Leaves
from cotally.server.planner.scope import effective
from cotally.server.statistics import leaves
from cotally.server.wire.catalog import from_message
from cotally.server.wire.query import from_message as query_from_message
from cotally.v1 import catalog_pb2, query_pb2, round_pb2
from cotally.v1.refusals import Refused

integers = st.builds(
    lambda lower, width: catalog_pb2.Column(
        name="i", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower=str(lower), upper=str(lower + width)
    ),
    st.integers(-300, 300),
    st.integers(0, 3000),
)
floats = st.builds(
    lambda lower, width, resolution: catalog_pb2.Column(
        name="f",
        type=catalog_pb2.COLUMN_TYPE_FLOAT,
        lower=f"{lower / 4:.2f}",
        upper=f"{(lower + width) / 4:.2f}",
        resolution=resolution,
    ),
    st.integers(-500, 500),
    st.integers(1, 4000),
    st.sampled_from(["0.25", "0.1", "3", "1"]),
)
dates = st.builds(
    lambda first, days: catalog_pb2.Column(
        name="d",
        type=catalog_pb2.COLUMN_TYPE_DATE,
        lower=date.fromordinal(first).isoformat(),
        upper=date.fromordinal(first + days).isoformat(),
    ),
    st.integers(730_000, 738_000),
    st.integers(0, 900),
)
keys = st.builds(
    query_pb2.DerivedKey,
    name=st.sampled_from(["k", "i"]),
    derivation=st.sampled_from(
        [
            query_pb2.DERIVATION_BIN,
            query_pb2.DERIVATION_YEAR,
            query_pb2.DERIVATION_QUARTER,
            query_pb2.DERIVATION_MONTH,
        ]
    ),
    column=st.sampled_from("ifd"),
    width=st.sampled_from(["", "5", "0.5", "2.5", "100"]),
    other=st.booleans(),
)
bounds = st.builds(
    query_pb2.Bounds,
    column=st.sampled_from("ifd"),
    lower=st.sampled_from(["-3", "0", "1.5"]),
    upper=st.sampled_from(["-2.5", "2", "90"]),
)


def catalog(columns: list[catalog_pb2.Column]) -> catalog_pb2.Catalog:
    """Two tables of one population with the same columns."""
    return catalog_pb2.Catalog(
        federation="f",
        epoch=1,
        tables=[
            catalog_pb2.Table(
                name=name,
                population="p",
                unit_column="pid",
                overlap=overlap,
                rows_per_person=2,
                groups_per_person=3,
                expected_people=100 * overlap,
                max_people=900,
                min_departments=2,
                vintage=name,
                holders=["a", "b", *([name] if overlap > 1 else [])],
                columns=columns,
            )
            for name, overlap in (("one", 1), ("two", 2))
        ],
    )


@given(integers, floats, dates, st.lists(keys, max_size=1), st.lists(bounds, max_size=1), st.booleans())
@settings(max_examples=200, deadline=None)
def test_both_see_the_same_effective_table(
    whole: catalog_pb2.Column,
    decimal: catalog_pb2.Column,
    day: catalog_pb2.Column,
    derived: list[query_pb2.DerivedKey],
    narrow: list[query_pb2.Bounds],
    join: bool,
) -> None:
    published = catalog([whole, decimal, day])
    if join:
        for key in derived:
            key.column = f"two.{key.column}"
        for bound in narrow:
            bound.column = f"two.{bound.column}"
    query = query_pb2.Query(
        table="one",
        keys=[key.name for key in derived],
        derived=derived,
        bounds=narrow,
        joins=[query_pb2.Join(table="two", using="pid")] if join else [],
        privacy=query_pb2.PrivacyClause(rho="1", confidence="0.95", mechanism=query_pb2.MECHANISM_GAUSSIAN),
    )
    read = from_message(published)
    one, two = read.tables
    try:
        ours = effective(query_from_message(query), one, (two,) if join else ())
    except Refused:
        ours = None
    try:
        theirs = client_effective(query, published)
    except Refused:
        theirs = None
    assert (ours is None) == (theirs is None)
    if ours is None or theirs is None:
        return
    as_message = from_message(catalog_pb2.Catalog(tables=[theirs])).tables[0]
    assert (ours.overlap, ours.expected_people, ours.max_people, ours.holders, ours.vintage) == (
        as_message.overlap,
        as_message.expected_people,
        as_message.max_people,
        as_message.holders,
        as_message.vintage,
    )
    for our, their in zip(ours.columns, as_message.columns, strict=True):
        assert (our.name, our.type, our.keys, our.lower, our.upper) == (
            their.name,
            their.type,
            their.keys,
            their.lower,
            their.upper,
        )


@given(integers | floats, st.sampled_from([0, 1, 2, 3, 7, 8, 256, 1024]))
@settings(max_examples=200, deadline=None)
def test_both_cut_columns_at_the_same_values(column: catalog_pb2.Column, count: int) -> None:
    ours = from_message(catalog([column])).tables[0].columns[0]
    cut = client_leaves.even(count) if count else client_leaves.logarithmic(column)
    own = leaves.logarithmic(ours) if not count else Leaves(LeafScale.EVEN, count)
    assert (own.count, own.scale.value) == (cut.count, round_pb2.LeafScale.Name(cut.scale)[11:].lower())
    begins = [min(leaves.value(ours, unit), ours.upper) for unit in leaves.starts(ours, own)]
    assert client_leaves.edges(column, cut) == (*begins, ours.upper)
    assert ours.type in (ColumnType.INTEGER, ColumnType.FLOAT) and isinstance(ours.upper, Fraction)
