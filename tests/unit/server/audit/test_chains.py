"""Ledgers as the log tells them: continued, repeated, forked, stepped back, overspent."""

import pytest

from cotally.server.audit.follower import Follower
from cotally.v1 import log_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.logs import World, chain, roster

A, B, C, D = b"a" * 32, b"b" * 32, b"c" * 32, b"d" * 32
Links = list[round_pb2.LedgerEntry]

# The honest ledger: the log knows it up to entry 3, which reserves B.
NORTH = chain(
    "north", ("BUDGET", b"", 20), ("RESERVE", A, 5), ("RESERVE", B, 5), ("COMMIT", A, 5), ("RESERVE", C, 5))
# What a restored copy writes instead of entry 3, and what a second ledger would hold from the start.
RESTORED = chain("north", ("BUDGET", b"", 20), ("RESERVE", A, 5), ("RESERVE", C, 5), ("RESERVE", D, 5))
SECOND = chain("north", ("BUDGET", b"", 20), ("RESERVE", C, 5))


def changed(links: Links, index: int, **fields: object) -> Links:
    copies = [round_pb2.LedgerEntry.FromString(e.SerializeToString()) for e in links]
    for name, value in fields.items():
        setattr(copies[index], name, value)
    return copies


@pytest.fixture
def follower(world: World) -> Follower:
    return world.follow(roster(A, north=NORTH[:2]), roster(B, north=NORTH[2:3]))


ACCEPTED: dict[str, tuple[Links, bytes]] = {
    "extends": (NORTH[3:], C),
    "overlaps": (NORTH[1:], C),
    "from the start": (NORTH, C),
    "already logged": (NORTH[2:3], B),
    "logged before the head": (NORTH[1:2], A),
    "logged, from the start": (NORTH[:3], B),
}

REFUSED: dict[str, tuple[Links, bytes, Refusal]] = {
    "fork at the head": (RESTORED[2:3], C, Refusal.EQUIVOCATION),
    "fork that goes on": (RESTORED, D, Refusal.EQUIVOCATION),
    "fork hidden before the first link": (RESTORED[3:], D, Refusal.EQUIVOCATION),
    "stepped back": (SECOND, C, Refusal.STEPPED_BACK),
    "stepped back, one link": (SECOND[1:], C, Refusal.STEPPED_BACK),
    "another round": (NORTH[3:], D, Refusal.EQUIVOCATION),
    "a logged entry for another round": (NORTH[2:3], C, Refusal.EQUIVOCATION),
    "gap": (NORTH[4:], C, Refusal.MALFORMED),
    "gap inside": (NORTH[1:2] + NORTH[4:], C, Refusal.MALFORMED),
    "none": ([], C, Refusal.MALFORMED),
    "out of order": (NORTH[4:] + NORTH[3:4], C, Refusal.MALFORMED),
    "not a reservation": (NORTH[3:4], A, Refusal.MALFORMED),
    "another node's": (changed(NORTH[3:], 1, node="south"), C, Refusal.MALFORMED),
    "broken chain": (changed(NORTH[3:], 1, previous=b"x" * 32), C, Refusal.MALFORMED),
    "changed in the middle": (changed(NORTH[3:], 0, pico_loss=4), C, Refusal.MALFORMED),
    "length 0": (changed(NORTH[2:3], 0, length=0), B, Refusal.MALFORMED),
    "a first entry with something before it": (changed(NORTH[2:3], 0, length=1), B, Refusal.MALFORMED),
    "a later entry with nothing before it": (changed(NORTH[3:], 0, previous=b""), C, Refusal.MALFORMED),
    "unknown kind": (changed(NORTH[4:], 0, kind=9, length=4, previous=digest("ledger", NORTH[2])), C,
                     Refusal.MALFORMED),
}


@pytest.mark.parametrize(("links", "round_"), ACCEPTED.values(), ids=ACCEPTED)
def test_links_of_the_logged_chain_are_accepted(follower: Follower, links: Links, round_: bytes) -> None:
    before = follower.dump()
    follower.check_links("north", links, round_, "people", 5)
    assert follower.dump() == before
    follower.fold([roster(round_, north=links)])
    assert follower.forked == frozenset()
    assert (follower.last_link("north") or (0, b""))[0] == max(3, links[-1].length)


@pytest.mark.parametrize(("links", "round_", "refusal"), REFUSED.values(), ids=REFUSED)
def test_links_that_do_not_continue_it_are_refused_and_logged_as_a_fork(
    follower: Follower, links: Links, round_: bytes, refusal: Refusal
) -> None:
    with pytest.raises(Refused) as caught:
        follower.check_links("north", links, round_, "people", 5)
    assert caught.value.refusal == refusal
    assert "north" in caught.value.message
    head = follower.last_link("north")
    follower.fold([roster(round_, north=links)])
    assert follower.forked == {"north"}
    assert follower.last_link("north") == head == (3, digest("ledger", NORTH[2]))
    with pytest.raises(Refused) as caught:  # even the honest chain: one of the two is a lie
        follower.check_links("north", NORTH, C, "people", 5)
    assert caught.value.refusal == Refusal.EQUIVOCATION
    follower.fold([roster(C, north=NORTH)])
    assert follower.last_link("north") == head


def test_only_logged_links_are_at_their_length(follower: Follower) -> None:
    follower.check_links("north", NORTH[3:], C, "people", 5)  # extends, and is not logged by that
    hashes = [follower.link_at("north", length) for length in range(6)]
    assert hashes == [None, *(digest("ledger", link) for link in NORTH[:3]), None, None]
    assert follower.link_at("south", 1) is None


@pytest.mark.parametrize(("population", "price"), [("people", 4), ("people", 6), ("events", 5)])
def test_another_price_than_the_rounds_is_refused(follower: Follower, population: str, price: int) -> None:
    with pytest.raises(Refused) as caught:
        follower.check_links("north", NORTH[3:], C, population, price)
    assert caught.value.refusal == Refusal.PLAN_MISMATCH


@pytest.mark.parametrize(("steps", "refusal"), [
    ([("RESERVE", A, 5)], Refusal.BUDGET_SPENT),
    ([("BUDGET", b"", 4), ("RESERVE", A, 5)], Refusal.BUDGET_SPENT),
    ([("BUDGET", b"", 9), ("RESERVE", B, 5), ("RESERVE", A, 5)], Refusal.BUDGET_SPENT),
    ([("BUDGET", b"", 9), ("RESERVE", B, 5), ("VOID", B, 5), ("RESERVE", A, 5)], Refusal.NOT_ALLOWED),
    ([("BUDGET", b"", 9), ("RESERVE", D, 5), ("VOID", D, 5), ("RESERVE", A, 5)], None),
    ([("BUDGET", b"", 9), ("RESERVE", D, 5), ("VOID", D, 6), ("RESERVE", A, 5)], Refusal.OUT_OF_ORDER),
    ([("BUDGET", b"", 9), ("RESERVE", B, 5), ("BUDGET", b"", 10), ("RESERVE", A, 5)], Refusal.NOT_ALLOWED),
    ([("BUDGET", b"", 99), ("RESERVE", B, 5), ("BUDGET", b"", 10), ("RESERVE", A, 5)], None),
    ([("BUDGET", b"", 9), ("BURN", b"", 4), ("RESERVE", A, 5)], None),
    ([("BUDGET", b"", 9), ("BURN", b"", 5), ("RESERVE", A, 5)], Refusal.BUDGET_SPENT),
    ([("BUDGET", b"", 9), ("BURN", B, 5), ("RESERVE", A, 5)], Refusal.MALFORMED),
    ([("BUDGET", b"", 9), ("BURN", b"", 0), ("RESERVE", A, 5)], Refusal.MALFORMED),
    ([("BUDGET", b"", 99), ("RESERVE", A, 5), ("RESERVE", A, 5)], Refusal.REPLAYED),
    ([("BUDGET", b"", 99), ("VOID", D, 50), ("RESERVE", A, 5)], Refusal.OUT_OF_ORDER),
])
def test_a_chain_that_breaks_its_own_rules_is_refused(
    world: World, steps: list[tuple[str, bytes, int]], refusal: Refusal | None
) -> None:
    links = chain("south", *steps)
    follower = world.follow(world.void(D))
    if refusal is None:
        follower.check_links("south", links, A, "people", 5)
        return
    with pytest.raises(Refused) as caught:
        follower.check_links("south", links, A, "people", 5)
    assert caught.value.refusal == refusal


def test_what_was_logged_counts_in_later_links(world: World) -> None:
    links = chain("south", ("BUDGET", b"", 9), ("RESERVE", A, 5), ("RESERVE", B, 5))
    follower = world.follow(roster(A, south=links[:2]))
    follower = Follower.load(follower.dump(), world.charter)
    with pytest.raises(Refused) as caught:
        follower.check_links("south", links[2:], B, "people", 5)
    assert caught.value.refusal == Refusal.BUDGET_SPENT


def test_one_forked_node_does_not_stop_the_others(world: World) -> None:
    south = chain("south", ("BUDGET", b"", 20), ("RESERVE", A, 5), ("RESERVE", C, 5))
    follower = world.follow(
        roster(A, north=NORTH[:2], south=south[:2]), roster(C, north=SECOND[1:], south=south[2:]))
    assert follower.forked == {"north"}
    assert follower.last_link("south") == (3, digest("ledger", south[2]))
    assert follower.last_link("east") is None


def test_the_first_frozen_roster_is_remembered(world: World) -> None:
    entries: list[log_pb2.LogEntry] = [roster(A, b"1"), roster(A, b"2"), roster(B, b"3")]
    follower = world.follow(*entries)
    for each in (follower, Follower.load(follower.dump(), world.charter)):
        assert [each.roster_hash(r) for r in (A, B, C)] == [
            digest("leaf", entries[0].roster), digest("leaf", entries[2].roster), None]
