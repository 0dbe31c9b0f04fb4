"""A plan's message says all that a client decodes by."""

from fractions import Fraction

from cotally.server.model.query import Statistic, StatisticKind
from cotally.server.planner.plan import make_plan
from cotally.server.wire.plan import to_message
from cotally.v1 import round_pb2 as r
from tests.unit.server.planner.examples import PEOPLE, RULES, ask

K = StatisticKind


def test_forms_leaves_and_readings_travel() -> None:
    query = ask(
        Statistic("c", K.COVAR, "income", ("age",)),
        Statistic("q", K.QUANTILE, "age", quantile=Fraction(1, 2), bins=8),
        Statistic("h", K.HISTOGRAM, "age", bins=5), Statistic("p", K.PERSONS), keys=("sex",))
    plan = make_plan(query, PEOPLE, RULES)
    message = to_message(plan)
    assert [list(reading.blocks) for reading in message.readings] == [[0, 1, 2, 3], [4], [5], [6]]
    assert [block.kind for block in message.blocks] == [
        r.BLOCK_KIND_COUNT, r.BLOCK_KIND_CENTRED_SUM, r.BLOCK_KIND_CENTRED_SUM, r.BLOCK_KIND_PRODUCT,
        r.BLOCK_KIND_TREE, r.BLOCK_KIND_CELLS, r.BLOCK_KIND_PERSONS]
    assert [block.cells for block in message.blocks] == [3, 3, 3, 3, 3 * 14, 3 * 5, 3]
    product = message.blocks[3]
    assert (product.column, product.second.column, product.second.centre) == ("age", "income", "100000")
    assert list(message.blocks[2].present) == ["income"] and message.blocks[2].column == "age"
    assert message.blocks[4].leaves == r.Leaves(scale=r.LEAF_SCALE_EVEN, count=8)
    assert not message.blocks[0].HasField("second") and not message.blocks[0].HasField("leaves")
