"""A round over two joined tables: every party computes one plan, and grants must cover both tables."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cotally.server.wire.signed import sign
from cotally.v1 import catalog_pb2, query_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol import lab as laboratory
from tests.protocol.lab import NOW, Lab

PEOPLE = laboratory.catalog


def catalog(departments: Sequence[str] = laboratory.DEPARTMENTS) -> catalog_pb2.Catalog:
    """The lab's people, and their visits."""
    listed = PEOPLE(departments)
    listed.tables.append(catalog_pb2.Table(
        name="visits", population="residents", unit_column="pid", overlap=2, rows_per_person=4,
        groups_per_person=2, expected_people=800, max_people=8000, min_departments=3, vintage="7",
        holders=sorted(departments), columns=[
            catalog_pb2.Column(name="cost", type=catalog_pb2.COLUMN_TYPE_FLOAT, lower="0", upper="500",
                               resolution="0.5", nullable=True),
            catalog_pb2.Column(name="day", type=catalog_pb2.COLUMN_TYPE_DATE, lower="2024-11-01",
                               upper="2025-02-28", nullable=True)]))
    return listed


class JoinedLab(Lab):
    """A lab whose departments grant the visits too, except those named as reluctant."""

    reluctant: tuple[str, ...] = ()

    def grant(self, department: str, analyst: str) -> query_pb2.SignedGrant:
        tables = ["people"] if department in self.reluctant else ["people", "visits"]
        body = query_pb2.Grant(
            federation="lab", founding=self.federation.founding, department=department, analyst=analyst,
            purposes=["statistics"], tables=tables,
            not_before_ms=NOW - 10**9, not_after_ms=NOW + 10**9)
        return query_pb2.SignedGrant(body=body, signature=sign(self.keys[department], "grant", body))


@pytest.fixture(autouse=True)
def with_visits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laboratory, "catalog", catalog)


def question() -> query_pb2.Query:
    """SELECT MONTH(visits.day), COVAR(visits.cost, people.income), HISTOGRAM(visits.cost, 4) ..."""
    return query_pb2.Query(
        table="visits", joins=[query_pb2.Join(table="people", using="pid")], keys=["month", "people.sex"],
        derived=[query_pb2.DerivedKey(
            name="month", derivation=query_pb2.DERIVATION_MONTH, column="visits.day")],
        bounds=[query_pb2.Bounds(column="visits.cost", lower="0", upper="100")],
        statistics=[
            query_pb2.Statistic(alias="c", kind=query_pb2.STATISTIC_KIND_COVAR, column="visits.cost",
                                others=["people.income"]),
            query_pb2.Statistic(
                alias="h", kind=query_pb2.STATISTIC_KIND_HISTOGRAM, column="visits.cost", bins=4),
            query_pb2.Statistic(alias="p", kind=query_pb2.STATISTIC_KIND_PERSONS)],
        privacy=query_pb2.PrivacyClause(rho="0.5", confidence="0.95", mechanism=query_pb2.MECHANISM_GAUSSIAN))


def test_a_joined_round_is_released(tmp_path: Path) -> None:
    lab = JoinedLab(tmp_path)
    cells = 4 * 2 * (4 + 4 + 1)
    for i, node in enumerate(lab.nodes.values()):
        node.exact = [i + j for j in range(cells)]
    played = lab.play(lab.envelope(question()))
    for name in ("holder-1", "holder-3"):
        played.round.partial(lab.decrypt(name, played.evidence))
    plan = played.round.priced.plan
    totals = played.round.release(lab.now, lab.keys["coordinator"]).body.totals
    assert played.round.announcement.body.vintage == "7+1"
    assert [list(reading.blocks) for reading in played.round.announcement.body.plan.readings] == [
        [0, 1, 2, 3], [4], [5]]
    assert len(totals) == plan.coordinates == cells
    unrefined = [total // block.refinement for block in plan.blocks
                 for total in totals[block.offset : block.offset + block.cells]]
    assert unrefined == [3 + 3 * j for j in range(cells)]


def test_a_grant_for_one_of_the_tables_is_none_for_the_join(tmp_path: Path) -> None:
    JoinedLab.reluctant = ("north",)
    try:
        lab = JoinedLab(tmp_path)
    finally:
        JoinedLab.reluctant = ()
    announcement = lab.announce(lab.envelope(question()))
    lab.commit("health", announcement)
    with pytest.raises(Refused, match="the table visits") as refused:
        lab.commit("north", announcement)
    assert refused.value.refusal is Refusal.NOT_ALLOWED


def test_a_join_across_populations_never_becomes_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apart(departments: Sequence[str] = laboratory.DEPARTMENTS) -> catalog_pb2.Catalog:
        listed = catalog(departments)
        listed.tables[1].population = "guests"
        return listed

    monkeypatch.setattr(laboratory, "catalog", apart)
    lab = JoinedLab(tmp_path)
    with pytest.raises(Refused, match="guests"):
        lab.announce(lab.envelope(question()))
