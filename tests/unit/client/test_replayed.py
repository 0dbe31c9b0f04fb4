"""A stored release in another spelling of its question: every number stays with its cell and statistic."""

import copy
from dataclasses import replace

import pytest

from cotally.client.release import Release
from cotally.client.replayed import as_asked
from cotally.v1 import catalog_pb2, query_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.answered import answered, planned
from tests.fixtures.bundle import people, question

CATALOG = catalog_pb2.Catalog(federation="f", tables=[people()])


def stored() -> Release:
    query = question(keys=("sex", "area"))
    query.statistics.add(alias="h", kind=query_pb2.STATISTIC_KIND_HISTOGRAM, column="income", bins=2)
    query.keys.append("decade")
    query.derived.add(name="decade", derivation=query_pb2.DERIVATION_BIN, column="age", width="40")
    plan = planned(query, CATALOG)
    return answered(query, CATALOG, [
        [1000 * number + coordinate for coordinate in range(block.cells)]
        for number, block in enumerate(plan.blocks)])


def reordered(query: query_pb2.Query) -> query_pb2.Query:
    asked = copy.deepcopy(query)
    del asked.keys[:], asked.statistics[:]
    asked.keys.extend(["tens", "sex", "area"])
    asked.derived[0].name = "tens"
    asked.statistics.extend(query.statistics[at] for at in (3, 1, 0, 2))
    for at, alias in enumerate("wxyz"):
        asked.statistics[at].alias = alias
    return asked


def test_every_number_stays_with_its_cell_and_statistic() -> None:
    before = stored()
    asked = reordered(before.query)
    after = Release(as_asked(before._verified, asked, CATALOG), replayed=True)
    assert (after.keys, after.statistics) == (("tens", "sex", "area"), ("w", "x", "y", "z"))
    assert list(after.df().columns[:3]) == ["tens", "sex", "area"]
    first = {row.keys: row.estimates for row in before.rows}
    assert len(first) == len(after.rows) == len({row.keys for row in after.rows}) > 6
    for row in after.rows:
        tens, sex, area = row.keys
        histogram, total, count, mean = row.estimates
        assert first[sex, area, tens] == (count, total, mean, histogram)
    assert [row.keys for row in after.rows] == sorted(
        (row.keys for row in after.rows), key=lambda k: (int(k[0]), ["f", "m", "other"].index(k[1]), k[2]))
    one, other = before.to_dict(), after.to_dict()
    assert (one["replayed"], other["replayed"]) == (False, True)
    assert one["query_fingerprint"] == other["query_fingerprint"]
    assert before.margins("n", ["area"])["n"].tolist() == after.margins("y", ["area"])["y"].tolist()


@pytest.mark.parametrize("change", [
    lambda q: q.where.comparison.literal.__setattr__("integer", 19),
    lambda q: setattr(q.privacy, "epsilon", "2"),
    lambda q: q.statistics.pop(),
    lambda q: setattr(q.statistics[0], "column", "age"),
])
def test_the_release_of_another_question_is_refused(change: object) -> None:
    before = stored()
    asked = reordered(before.query)
    change(asked)  # type: ignore[operator]
    with pytest.raises(Refused) as caught:
        as_asked(before._verified, asked, CATALOG)
    assert caught.value.refusal is Refusal.EQUIVOCATION


def test_a_caption_counts_departments_in_words() -> None:
    three = stored()
    assert f"{len(three.departments)} departments, " in three.caption
    assert "1 department, " in Release(replace(three._verified, departments=("east",))).caption
