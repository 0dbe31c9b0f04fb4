"""Which total belongs to which group and statistic."""

import pytest

from cotally.client.decode.rows import decode
from cotally.v1 import query_pb2, round_pb2
from cotally.v1.refusals import Refused
from tests.fixtures.bundle import people, plan_for, question


def test_groups_are_row_major_with_other_last() -> None:
    query = question(keys=("sex", "area"))
    rows = decode(plan_for(query, 6), query, people(), 3, range(24))
    assert [row.keys for row in rows] == [
        ("f", "1"), ("f", "2"), ("m", "1"), ("m", "2"), ("other", "1"), ("other", "2")]
    assert [row.estimates[0].value for row in rows] == [0, 0.25, 0.5, 0.75, 1, 1.25]  # refinement 4
    assert [row.estimates[1].value for row in rows] == [6, 7, 8, 9, 10, 11]


def test_a_question_without_keys_has_one_row() -> None:
    query = question(keys=())
    row, = decode(plan_for(query, 1), query, people(), 3, [4000, 150_000, 4000, 50_000])
    assert row.keys == ()
    assert [each.value for each in row.estimates] == [1000, 150_000, 150]  # 100 + 50000 / 1000


def test_a_column_that_is_never_null_is_counted_by_rows() -> None:
    query, table = question(keys=()), people()
    plan = plan_for(query, 1)
    plan.readings[2].blocks[0] = 0  # COUNT(*) in the place of COUNT(income)
    with pytest.raises(Refused, match="'average' needs: count of income"):
        decode(plan, query, table, 3, [4000, 150_000, 0, 50_000])
    table.columns[0].nullable = False
    row, = decode(plan, query, table, 3, [4000, 150_000, 0, 50_000])
    assert row.estimates[2].value == 150


def test_more_departments_bring_more_noise() -> None:
    query = question(keys=())
    few, many = (decode(plan_for(query, 1), query, people(), r, [4000, 1, 4000, 1])[0] for r in (3, 12))
    assert few.estimates[0].se is not None
    assert many.estimates[0].se == pytest.approx(2 * few.estimates[0].se)


def test_an_unknown_statistic_is_refused() -> None:
    query = question(keys=())
    query.statistics[0].kind = query_pb2.STATISTIC_KIND_UNSPECIFIED
    with pytest.raises(Refused, match="cannot decode"):
        decode(plan_for(query, 1), query, people(), 3, [0, 0, 0, 0])


def test_the_kind_of_block_matters() -> None:
    query = question(keys=())
    plan = plan_for(query, 1)
    plan.blocks[3].kind = round_pb2.BLOCK_KIND_SUM
    with pytest.raises(Refused):
        decode(plan, query, people(), 3, [0, 0, 0, 0])
