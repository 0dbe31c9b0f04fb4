"""Who takes part is no lever: minted departments are nobody, another set of departments is paid again."""

from pathlib import Path

import pytest

from cotally.server.coordinator.session import Round
from cotally.server.crypto.signing import SigningKey
from cotally.server.protocol.frozen import freeze
from cotally.server.protocol.reveal import roster_leaf
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal
from tests.protocol.lab import BUDGET, Lab, count_by_sex
from tests.protocol.planting import four, refused_as, resigned


def minted(lab: Lab, like: round_pb2.Commitment, name: str) -> round_pb2.Commitment:
    """A commitment of a department that the coordinator made up, complete with a ledger and a grant."""
    key, body = SigningKey.generate(), round_pb2.CommitmentBody()
    body.CopyFrom(like.body)
    body.node, body.sealed = name, bytes(32)
    for link in body.links:
        link.node = name
    body.grant.body.department = name
    body.grant.signature = sign(key, "grant", body.grant.body)
    return round_pb2.Commitment(body=body, signature=sign(key, "commitment", body))


@pytest.mark.parametrize("name", ["zoo", "holder-1", "ada"])
def test_a_minted_department_fills_no_roster(lab: Lab, name: str) -> None:
    """The coordinator wants a roster of the minimum in which it knows all noise but one department's."""
    announcement = lab.announce()
    ours = lab.commit("tax", announcement)
    ghosts = [minted(lab, ours, name), minted(lab, ours, "mint")]
    frozen = freeze(ours.body.round, [ours, *ghosts], lab.keys["coordinator"])
    session = lab.nodes["tax"].session
    refused_as(Refusal.NOT_ALLOWED, lambda: session.reveal(frozen, lab.now), "take part in this round")
    lab.log(log_pb2.LogEntry(roster=roster_leaf(frozen)))
    evidence = work_pb2.Evidence(announcement=announcement, frozen=frozen, checkpoint=lab.witness())
    refused_as(Refusal.NOT_ALLOWED, lambda: lab.decrypt("holder-1", evidence), "take part in this round")


@pytest.mark.parametrize("name", ["zoo", "holder-1", "ada"])
def test_a_minted_department_is_no_participant(lab: Lab, name: str) -> None:
    def add(body: round_pb2.Announcement) -> None:
        body.participants[:] = sorted([*body.participants, name])

    announcement = resigned(lab, add)
    refused_as(Refusal.MALFORMED, lambda: lab.commit("tax", announcement), "ordered holders")
    refused_as(Refusal.MALFORMED, lambda: Round(lab.federation, announcement))


def spent(lab: Lab) -> dict[str, int]:
    return {name: int(node.ledger.status()[0].spent_pico_loss) for name, node in lab.nodes.items()}


def whole_round(lab: Lab, participants: list[str], query: query_pb2.Query) -> None:
    """An honest round among *participants*, up to a partial decryption."""
    announcement = lab.announce(lab.envelope(query), participants)
    round_ = Round(lab.federation, announcement)
    for name in participants:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=roster_leaf(frozen)))
    for name in participants:
        round_.reveal(lab.nodes[name].session.reveal(frozen, lab.now))
    lab.decrypt("holder-1", lab.evidence(round_))


def test_the_same_question_to_another_set_of_departments_is_paid_in_full(folder: Path) -> None:
    """Two rosters that differ by one department tell its part: both rounds are charged to everybody in them,
    and twice to the population, which is what holds for a person."""
    lab = four(folder)
    query = count_by_sex("0.5")
    price = lab.federation.price(query).plan.pico_loss
    whole_round(lab, ["health", "north", "south", "tax"], query)
    whole_round(lab, ["north", "south", "tax"], query)
    assert spent(lab) == {"health": price, "north": 2 * price, "south": 2 * price, "tax": 2 * price}
    assert lab.follower().spent("residents") == 2 * price


def test_questions_that_differ_by_one_person_are_both_paid(folder: Path) -> None:
    """The filters end differencing, however the pair of questions is made."""
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", pico_loss=11 * 10**11)])
    everybody, others = count_by_sex("0.5"), count_by_sex("0.5")
    others.where.comparison.CopyFrom(query_pb2.Comparison(
        column="income", operator=query_pb2.OPERATOR_NE, literal=query_pb2.Literal(integer=777)))
    assert digest("query", everybody) != digest("query", others)
    for query in (everybody, others):
        whole_round(lab, list(lab.nodes), query)
    refused_as(Refusal.BUDGET_SPENT,
               lambda: lab.commit("tax", lab.announce(lab.envelope(count_by_sex("0.25")))), "population")
    assert all(each < BUDGET for each in spent(lab).values()), "the population's filter decided"


def test_a_contribution_that_comes_after_the_freeze_is_in_no_roster(folder: Path) -> None:
    """Late, and a roster with it beside the one without would tell its part."""
    lab = four(folder)
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    late = lab.commit("health", announcement)
    for name in ("north", "south", "tax"):
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(announcement.body.deadline_ms, lab.keys["coordinator"])
    refused_as(Refusal.OUT_OF_ORDER, lambda: round_.commit(late), "too late")
    for name in ("north", "south", "tax"):
        round_.reveal(lab.nodes[name].session.reveal(frozen, lab.now))
    wider = freeze(round_.id, [*round_.commitments.values(), late], lab.keys["coordinator"])
    for name in ("north", "south", "tax"):
        refused_as(Refusal.EQUIVOCATION, lambda name=name: lab.nodes[name].session.reveal(wider, lab.now),  # type: ignore[misc]
                   "two frozen rosters")
