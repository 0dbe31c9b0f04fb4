"""What an analyst is told of the filters while rounds are under way."""

from types import SimpleNamespace
from typing import cast

import pytest

from cotally.server.audit.follower import Follower
from cotally.server.audit.policies import next_policy
from cotally.server.coordinator.admission import Gate
from cotally.server.coordinator.board import Board
from cotally.server.coordinator.in_force import InForce
from cotally.server.ops.policy import approve
from cotally.v1 import analyst_pb2, log_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from tests.fixtures.logs import NODES, World, transcript

NORTH = SimpleNamespace(name="north")


def announced(
    price: int, analyst: str, *participants: str, population: str = "people",
) -> round_pb2.Announcement:
    return round_pb2.Announcement(
        plan=round_pb2.Plan(population=population, pico_loss=price), participants=participants,
        envelope=query_pb2.SignedEnvelope(body=query_pb2.Envelope(analyst=analyst)))


def gate(follower: Follower, spent: int) -> Gate:
    """A gate before a federation of one department that says it spent so much of 100."""
    status = work_pb2.LedgerStatus(population="people", budget_pico_loss=100, spent_pico_loss=spent)
    federation = SimpleNamespace(members=lambda *_: [NORTH])
    board = SimpleNamespace(ledger=lambda node, population: status)
    return Gate(cast(InForce, SimpleNamespace(federation=federation)), follower, cast(Board, board))


def test_what_live_rounds_reserve_is_told_apart() -> None:
    combined = announced(7, "alice", "north")
    waiting, others = announced(5, "alice", "north"), announced(3, "bob", "south")
    elsewhere = announced(2, "alice", "north", population="events")
    follower = World().follow(
        transcript(b"r" * 32, 10), transcript(digest("announcement", combined), 7))
    live = [combined, waiting, others, elsewhere]
    told = gate(follower, 22).filters(["people"], "alice", live)
    assert [f.kind for f in told[3:]] == [analyst_pb2.FILTER_KIND_PURPOSE] * 2
    assert [(f.kind, f.budget_pico_loss, f.spent_pico_loss, f.reserved_pico_loss) for f in told[:3]] == [
        (analyst_pb2.FILTER_KIND_DEPARTMENT, 100, 22, 12),
        (analyst_pb2.FILTER_KIND_POPULATION, 100, 10 + 7 + 5 + 3, 7 + 5 + 3),
        (analyst_pb2.FILTER_KIND_ANALYST, 60, 10 + 7 + 5, 7 + 5),
    ]
    idle = gate(follower, 22).filters(["people"], "alice", [])
    assert [(f.spent_pico_loss, f.reserved_pico_loss) for f in idle[:3]] == [(22, 0), (17, 0), (17, 0)]


@pytest.mark.parametrize("budget", [50, 300])
def test_a_department_has_the_budget_of_the_last_policy_before_it_reports_again(budget: int) -> None:
    world = World()
    policy = next_policy(world.first, None, [], [roster_pb2.DepartmentBudget(
        department="north", population="people", pico_loss=budget)])
    later = next_policy(world.first, policy, [], [])  # names no department
    told = gate(world.follow(*(log_pb2.LogEntry(policy=log_pb2.PolicyLeaf(policy=each, approvals=[
        approve(each, name, world.keys[name]) for name in NODES])) for each in (policy, later))), 22)
    department = told.filters(["people"], "alice", [])[0]
    assert (department.budget_pico_loss, department.spent_pico_loss) == (budget, 22)
    assert told._can_pay("north", "people", budget - 22)
    assert not told._can_pay("north", "people", budget - 21)
