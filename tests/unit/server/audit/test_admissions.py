"""All filters at once over the log: analysts, purposes, grants, voids, replays, renewed budgets."""

import copy

import pytest

from cotally.server.audit.follower import Follower
from cotally.server.audit.policies import next_policy
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.logs import World, budget, chain, dead, replay, roster, transcript

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
WORLD = World()


def refused(world: World, *entries: log_pb2.LogEntry) -> Refusal:
    """How the follower refuses the last of *entries*; it must have taken the others."""
    follower = world.follow(*entries[:-1])
    log = [world.genesis(), *entries]
    with pytest.raises(Refused) as caught:
        follower.extend(len(log) - 1, log[-1:], world.checkpoint(log))
    assert follower.size == len(log) - 1
    return caught.value.refusal


# Budgets of the world's roster: people 100, alice 60, bob 80. A policy may add more.

BY_PURPOSE = WORLD.policy(next_policy(WORLD.first, None, [
    budget(100), budget(60, "alice"), budget(50, purpose="health"), budget(30, "alice", "health")], []))
HEALTH = "health"
PASSED: dict[str, tuple[list[log_pb2.LogEntry], dict[bytes, bool], int]] = {
    "a grant's budget holds": ([transcript(A, 21, granted=20), transcript(B, 20, granted=20)],
                               {A: False, B: True}, 20),
    "and adds up over rounds": ([transcript(A, 15, granted=20), transcript(B, 6, granted=20)],
                                {A: True, B: False}, 15),
    "of one purpose": ([transcript(A, 15, granted=20), transcript(B, 6, granted=20, purpose=HEALTH)],
                       {A: True, B: True}, 21),
    "of one analyst": ([transcript(A, 15, granted=20), transcript(B, 6, "bob", granted=20)],
                       {A: True, B: True}, 21),
    "a larger grant later counts from the beginning": (
        [transcript(A, 15, granted=20), transcript(B, 10, granted=25)], {A: True, B: True}, 25),
    "a purpose over all analysts": (
        [BY_PURPOSE, transcript(A, 30, purpose=HEALTH), transcript(B, 21, "bob", purpose=HEALTH)],
        {A: True, B: False}, 30),
    "an analyst for a purpose": ([BY_PURPOSE, transcript(A, 31, purpose=HEALTH), transcript(B, 31)],
                                 {A: False, B: True}, 31),
    "the smaller of grant and policy": (
        [BY_PURPOSE, transcript(A, 29, purpose=HEALTH, granted=28), transcript(B, 31, purpose=HEALTH,
                                                                               granted=50)],
        {A: False, B: False}, 0),
    "void after": ([transcript(A, 60), dead(A), WORLD.void(A), transcript(B, 60)], {A: False, B: True}, 60),
    "void twice": ([transcript(A, 40), WORLD.void(A), transcript(B, 40), WORLD.void(A), transcript(C, 21)],
                   {A: False, B: True, C: False}, 40),
    "void before": ([WORLD.void(A), transcript(A, 60), transcript(B, 60)], {A: False, B: True}, 60),
    "void of what was not admitted": (
        [transcript(A, 61), WORLD.void(A), transcript(B, 60), transcript(C, 1)],
        {A: False, B: True, C: False}, 60),
}


@pytest.mark.parametrize(("entries", "admitted", "spent"), PASSED.values(), ids=PASSED)
def test_what_a_history_admits(
    entries: list[log_pb2.LogEntry], admitted: dict[bytes, bool], spent: int
) -> None:
    follower = WORLD.follow(*entries)
    for each in (follower, Follower.load(follower.dump(), WORLD.charter)):
        assert {r: each.admits(r) for r in admitted} == admitted
        assert each.spent("people") == spent


def test_a_query_passes_all_filters_or_is_charged_to_none() -> None:
    """Each filter in turn is the one that does not fit."""
    for entries in ([transcript(A, 61)], [transcript(A, 5, granted=4)],
                    [BY_PURPOSE, transcript(A, 31, purpose=HEALTH)],
                    [BY_PURPOSE, transcript(B, 50, "bob", purpose=HEALTH), transcript(A, 1, purpose=HEALTH)]):
        before, follower = WORLD.follow(*entries[:-1]), WORLD.follow(*entries)
        leaf = entries[-1].transcript
        assert not follower.admits(leaf.round)
        for who in ((), ("alice",), ("", leaf.purpose), ("alice", leaf.purpose)):
            assert follower.spent("people", *who) == before.spent("people", *who)


@pytest.mark.parametrize(("first", "second", "admitted", "spent"), [
    (61, 5, False, 0), (5, 6, True, 5), (5, 4, True, 5), (5, 5, True, 5)])
def test_the_first_leaf_of_a_round_decides_for_ever(
    first: int, second: int, admitted: bool, spent: int
) -> None:
    follower = WORLD.follow(transcript(A, first), transcript(A, second))
    assert follower.admits(A) is admitted
    assert follower.spent("people") == follower.spent("people", "alice") == spent


# Void rounds

def test_a_void_needs_the_signed_word_of_every_key_holder() -> None:
    world = WORLD
    assert refused(world, transcript(A, 5), world.void(A, "holder2")) is Refusal.CREDENTIALS
    assert refused(world, transcript(A, 5), world.void(A, signer="holder1")) is Refusal.CREDENTIALS
    other = world.void(B)
    other.void.round = A
    assert refused(world, transcript(A, 5), other) is Refusal.EQUIVOCATION
    repeated = world.void(A)
    repeated.void.statements[2].CopyFrom(repeated.void.statements[1])
    assert refused(world, repeated) is Refusal.CREDENTIALS
    elsewhere = copy.deepcopy(world.void(A))
    for statement in elsewhere.void.statements:
        statement.body.federation = "other"
    assert refused(world, elsewhere) is Refusal.EQUIVOCATION


def test_a_void_round_is_dead_and_its_ledgers_may_take_back_its_price() -> None:
    links = chain("north", ("BUDGET", b"", 9), ("RESERVE", A, 9), ("VOID", A, 9), ("RESERVE", B, 9))
    honest = WORLD.follow(roster(A, north=links[:2]), WORLD.void(A), roster(B, north=links[2:]))
    assert honest.is_dead(A) and honest.is_void(A) and not honest.forked
    assert honest.ledger_spent("north", "people") == 9
    early = WORLD.follow(roster(A, north=links[:2]), roster(B, north=links[2:]), WORLD.void(A))
    assert early.forked == {"north"}


# Replays

def test_a_replay_costs_its_reader_alone() -> None:
    follower = WORLD.follow(transcript(A, 60), replay(A, 60, "bob"))
    paid = [follower.has_paid(A, who, "statistics") for who in ("alice", "bob", "carol")]
    assert paid == [True, True, False]
    assert [follower.spent("people", *who) for who in ((), ("alice",), ("bob",), ("bob", "statistics"))] == [
        60, 60, 60, 60]
    twice = [replay(A, 60, "bob"), replay(A, 60, "bob")]
    again = WORLD.follow(transcript(A, 60), *twice, replay(A, 60, "alice"))
    assert [again.spent("people", who) for who in ("alice", "bob")] == [60, 60]


@pytest.mark.parametrize("entries", [
    [replay(A, 60, "bob")],                                            # of no round
    [transcript(A, 61), replay(A, 61, "bob")],                         # of one that was not admitted
    [transcript(A, 60), replay(A, 59, "bob")],                         # below its price
    [transcript(A, 60), replay(A, 60, "bob", granted=59)],             # beyond the grants
    [transcript(A, 30), transcript(B, 60, "bob"), replay(A, 30, "bob")],  # beyond the analyst's own budget
    [transcript(A, 60), WORLD.void(A), replay(A, 60, "bob")],
    [transcript(A, 60), replay(A, 60, "bob", population="events")],
])
def test_a_replay_that_the_rules_do_not_allow_charges_and_gives_nothing(
    entries: list[log_pb2.LogEntry]
) -> None:
    without, follower = WORLD.follow(*entries[:-1]), WORLD.follow(*entries)
    assert not follower.has_paid(A, "bob")
    assert follower.spent("people", "bob") == without.spent("people", "bob")


# Policies

def test_a_policy_renews_budgets_and_what_was_spent_stays_spent() -> None:
    renewed = WORLD.policy(next_policy(WORLD.first, None, [budget(130), budget(90, "alice")], []))
    follower = WORLD.follow(transcript(A, 60), transcript(B, 31), renewed, transcript(C, 31))
    assert not follower.admits(B)  # refused for ever
    assert not follower.admits(C)  # 60 + 31 > 90
    follower.fold([transcript(b"d" * 32, 30)])
    assert (follower.spent("people"), follower.left("people")) == (90, 40)
    assert follower.left("people", "alice") == 0
    assert Follower.load(follower.dump(), WORLD.charter).left("people") == 40


def test_a_policy_needs_every_department_and_its_place_in_the_chain() -> None:
    world = WORLD
    first = next_policy(WORLD.first, None, [budget(130)], [])
    assert refused(world, world.policy(first, "south")) is Refusal.CREDENTIALS
    altered = world.policy(first)
    altered.policy.policy.budgets[0].pico_loss = 131
    assert refused(world, altered) is Refusal.CREDENTIALS
    assert refused(world, world.policy(first), world.policy(first)) is Refusal.EQUIVOCATION
    skipped = next_policy(WORLD.first, next_policy(WORLD.first, first, [], []), [budget(1)], [])
    assert refused(world, world.policy(first), world.policy(skipped)) is Refusal.EQUIVOCATION
    for of in (roster_pb2.Roster(federation="other"),  # by the same departments, with the same keys
               roster_pb2.Roster(federation="pums", epoch=7, members=WORLD.first.members)):
        assert refused(world, world.policy(next_policy(of, None, [budget(999)], []))) is Refusal.EQUIVOCATION
    twice = next_policy(WORLD.first, None, [budget(1), budget(2)], [])
    assert refused(world, world.policy(twice)) is Refusal.MALFORMED
    minted = roster_pb2.DepartmentBudget(department="mars", population="people", pico_loss=1)
    assert refused(world, world.policy(next_policy(WORLD.first, None, [], [minted]))) is Refusal.MALFORMED


def test_a_ledger_raises_its_budget_only_to_what_a_policy_gave_it() -> None:
    links = chain("north", ("BUDGET", b"", 9), ("RESERVE", A, 9), ("BUDGET", b"", 20), ("RESERVE", B, 9))
    for given, forks in ((20, False), (19, True)):
        policy = WORLD.policy(next_policy(WORLD.first, None, [], [
            roster_pb2.DepartmentBudget(department="north", population="people", pico_loss=given),
            roster_pb2.DepartmentBudget(department="south", population="people", pico_loss=99)]))
        follower = WORLD.follow(roster(A, north=links[:2]), policy, roster(B, north=links[2:]))
        assert (follower.forked == {"north"}) is forks
        assert follower.budget_of("north", "people") == given
