"""The follower over tables of histories: admit, refuse, fork, step back, and never two roots for one size."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.audit.filters import Charge
from cotally.server.audit.follower import Follower
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.logs import World, announcement, dead, transcript

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32


def refusal_of(call: Callable[..., object], *arguments: object) -> Refusal:
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.refusal


# Filters. Budgets: people 100, alice 60 and bob 80 in people, alice 10 in events; nothing else is limited.

HISTORIES: dict[str, tuple[list[log_pb2.LogEntry], dict[bytes, bool], tuple[int, int]]] = {
    "nothing": ([], {A: False}, (0, 0)),
    "one": ([transcript(A, 60)], {A: True}, (60, 60)),
    "analyst's filter": ([transcript(A, 61)], {A: False}, (0, 0)),
    "a refused price charges nobody": (
        [transcript(A, 61), transcript(B, 60)], {A: False, B: True}, (60, 60)),
    "population's filter": (
        [transcript(A, 60), transcript(B, 41, "bob"), transcript(C, 40, "bob")],
        {A: True, B: False, C: True}, (100, 60)),
    "a stranger has the population's filter only": (
        [transcript(A, 100, "carol"), transcript(B, 1)], {A: True, B: False}, (100, 0)),
    "a population without filter": ([transcript(A, 10**18, "bob", "pets")], {A: True}, (0, 0)),
    "an analyst's filter in another population": (
        [transcript(A, 11, "alice", "events"), transcript(B, 10, "alice", "events")],
        {A: False, B: True}, (0, 0)),
    "the first leaf decides: cheaper later": ([transcript(A, 61), transcript(A, 1)], {A: False}, (0, 0)),
    "the first leaf decides: dearer later": ([transcript(A, 1), transcript(A, 50)], {A: True}, (1, 1)),
    "the first leaf decides: twice the same": ([transcript(A, 40), transcript(A, 40)], {A: True}, (40, 40)),
    "refused for ever, though it would fit after": (
        [transcript(A, 61), transcript(A, 60), transcript(A, 60)], {A: False}, (0, 0)),
    "a dead round stays spent": (
        [transcript(A, 60), dead(A), transcript(B, 1)], {A: True, B: False}, (60, 60)),
    "dead before its transcript": ([dead(A), transcript(A, 60)], {A: True}, (60, 60)),
    "free": ([transcript(A, 0)], {A: True}, (0, 0)),
}


@pytest.mark.parametrize(("entries", "admitted", "spent"), HISTORIES.values(), ids=HISTORIES)
def test_what_a_history_admits(
    world: World, entries: list[log_pb2.LogEntry], admitted: dict[bytes, bool], spent: tuple[int, int]
) -> None:
    follower = world.follow(*entries)
    again = Follower.load(follower.dump(), world.charter)
    for each in (follower, again):
        assert {r: each.admits(r) for r in admitted} == admitted
        assert (each.spent("people"), each.spent("people", "alice")) == spent
        assert each.left("people") == 100 - spent[0]
        assert each.left("people", "carol") is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 70), st.sampled_from(["alice", "bob", "cy"]))))
def test_filters_are_never_exceeded_and_would_admit_foretells(leaves: list[tuple[int, int, str]]) -> None:
    world = WORLD
    follower = world.follow()
    seen: set[int] = set()
    for number, price, analyst in leaves:
        foretold = follower.would_admit(Charge("people", analyst, "statistics", price))
        follower.fold([transcript(number.to_bytes(32, "big"), price, analyst)])
        if number not in seen:
            assert follower.admits(number.to_bytes(32, "big")) == foretold
        seen.add(number)
    assert follower.spent("people") <= 100
    assert follower.spent("people", "alice") <= 60
    assert follower.spent("people", "bob") <= 80


WORLD = World()


def test_the_sentence_names_the_filter_and_what_is_left(world: World) -> None:
    follower = world.follow(transcript(A, 60, "bob"))
    follower.check_filters(Charge("people", "bob", "statistics", 20))
    for analyst, price, named in [("bob", 21, "analyst bob"), ("carol", 41, "population people")]:
        with pytest.raises(Refused) as caught:
            follower.check_filters(Charge("people", analyst, "statistics", price))
        assert caught.value.refusal == Refusal.BUDGET_SPENT
        assert named in caught.value.message


def test_what_the_log_says_of_a_round(world: World) -> None:
    leaf = transcript(A, 60)
    follower = world.follow(announcement(A), leaf, transcript(A, 1), dead(B))
    assert follower.transcript_index(A) == 2
    assert follower.transcript_hash(A) == digest("leaf", leaf.transcript)
    assert (follower.transcript_index(B), follower.transcript_hash(B)) == (None, None)
    assert (follower.is_dead(A), follower.is_dead(B)) == (False, True)


# Growth

def test_growth_in_any_steps_is_the_same(world: World) -> None:
    log = [world.genesis(), announcement(A), transcript(A, 5), dead(B), transcript(B, 70)]
    whole = Follower(world.charter)
    whole.extend(0, log, world.checkpoint(log))
    stepwise = Follower(world.charter)
    for at in range(5):
        checkpoint = world.checkpoint(log[:at + 1])
        assert stepwise.extend(at, log[at:at + 1], checkpoint) == cosign_bytes(checkpoint.text)
        assert stepwise.extend(at + 1, [], checkpoint) == cosign_bytes(checkpoint.text)  # asked again
    assert stepwise.dump() == whole.dump()
    roots = [whole.root_at(size) for size in range(6)]
    assert len(set(roots)) == 6
    assert [whole.root_at(size) for size in (-1, 6)] == [None, None]


def grown(world: World) -> tuple[list[log_pb2.LogEntry], list[log_pb2.LogEntry]]:
    return [world.genesis(), transcript(A, 5)], [transcript(B, 5), dead(A)]


Attack = tuple[int, list[log_pb2.LogEntry], log_pb2.Checkpoint]
Plant = Callable[[World], Attack]
ATTACKS: dict[str, tuple[Plant, Refusal]] = {}


def attack(refusal: Refusal) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        ATTACKS[plant.__name__] = plant, refusal
        return plant
    return register


@attack(Refusal.OUT_OF_ORDER)
def starts_before_the_end(world: World) -> Attack:
    old, new = grown(world)
    return 1, [*old[1:], *new], world.checkpoint(old + new)


@attack(Refusal.OUT_OF_ORDER)
def leaves_a_gap(world: World) -> Attack:
    old, new = grown(world)
    return 3, new[1:], world.checkpoint(old + new)


@attack(Refusal.EQUIVOCATION)
def rewrites_history(world: World) -> Attack:
    old, new = grown(world)
    return 2, new, world.checkpoint([old[0], transcript(A, 1), *new])


@attack(Refusal.EQUIVOCATION)
def shows_another_root_for_the_same_size(world: World) -> Attack:
    old, _ = grown(world)
    return 2, [], world.checkpoint([old[0], transcript(A, 1)])


@attack(Refusal.EQUIVOCATION)
def steps_back(world: World) -> Attack:
    old, _ = grown(world)
    return 2, [], world.checkpoint(old[:1])


@attack(Refusal.EQUIVOCATION)
def signs_more_than_it_sends(world: World) -> Attack:
    old, new = grown(world)
    return 2, new[:1], world.checkpoint(old + new)


@attack(Refusal.EQUIVOCATION)
def misstates_the_size(world: World) -> Attack:
    old, new = grown(world)
    root = Follower(world.charter)
    root.fold(old + new)
    return 2, new, world.sign(text("pums", 5, root.root_at(4) or b""))


@attack(Refusal.EQUIVOCATION)
def sends_another_federations_log(world: World) -> Attack:
    old, new = grown(world)
    return 2, new, world.checkpoint(old + new, federation="brfss")


@attack(Refusal.CREDENTIALS)
def is_not_the_coordinator(world: World) -> Attack:
    old, new = grown(world)
    return 2, new, world.sign(world.checkpoint(old + new).text, by="north")


@attack(Refusal.EQUIVOCATION)
def begins_again(world: World) -> Attack:
    old, _ = grown(world)
    return 2, [world.genesis()], world.checkpoint([*old, world.genesis()])


@attack(Refusal.MALFORMED)
def hides_an_unknown_leaf(world: World) -> Attack:
    old, _ = grown(world)
    return 2, [log_pb2.LogEntry()], world.checkpoint([*old, log_pb2.LogEntry()])


@attack(Refusal.MALFORMED)
def hides_an_unknown_field(world: World) -> Attack:
    old, new = grown(world)
    stranger = log_pb2.LogEntry.FromString(new[0].SerializeToString() + b"\xfa\x01\x01x")
    return 2, [stranger], world.checkpoint(old)


@attack(Refusal.MALFORMED)
def names_no_round(world: World) -> Attack:
    old, _ = grown(world)
    return 2, [transcript(b"", 1)], world.checkpoint([*old, transcript(b"", 1)])


@pytest.mark.parametrize("name", ATTACKS)
def test_a_log_that_cheats_is_refused_and_changes_nothing(world: World, name: str) -> None:
    plant, refusal = ATTACKS[name]
    old, new = grown(world)
    follower = world.follow(*old[1:])
    before = follower.dump()
    assert refusal_of(follower.extend, *plant(world)) == refusal
    assert follower.dump() == before
    follower.extend(2, new, world.checkpoint(old + new))  # and the honest log still goes on


def other_roster(charter: roster_pb2.Charter) -> None:
    charter.roster.epoch = 2


def other_catalog(charter: roster_pb2.Charter) -> None:
    charter.roster.catalog = b"x" * 32


def other_key(charter: roster_pb2.Charter) -> None:
    charter.roster.public_key = b"x" * 32


def other_budget(charter: roster_pb2.Charter) -> None:
    charter.roster.policy.budgets[0].pico_loss += 1


@pytest.mark.parametrize("change", [other_roster, other_catalog, other_key, other_budget])
def test_a_log_must_begin_with_the_pinned_roster(
    world: World, change: Callable[[roster_pb2.Charter], None]
) -> None:
    other = World(world.keys)
    change(other.charter)
    log = [other.genesis()]
    follower = Follower(world.charter)
    assert refusal_of(follower.extend, 0, log, other.checkpoint(log)) == Refusal.EQUIVOCATION
    for first in ([], [transcript(A, 1)]):
        with pytest.raises(Refused):
            follower.extend(0, first, world.checkpoint(first))
    assert follower.size == 0
    with pytest.raises(Misconfigured, match="another roster"):
        Follower.load(follower.dump(), other.charter)


@pytest.mark.parametrize("damage", [
    lambda d: d[:-1], lambda d: b"{}", lambda d: b"[]", lambda d: b"", lambda d: b"\xff",
    lambda d: d.replace(b'"version": 5', b'"version": 4'),
    lambda d: d.replace(b'"leaves": "', b'"leaves": "AA'),
])
def test_a_damaged_dump_is_refused(world: World, damage: Callable[[bytes], bytes]) -> None:
    follower = world.follow(transcript(A, 5))
    with pytest.raises(Misconfigured):
        Follower.load(damage(follower.dump()), world.charter)


def test_one_size_is_never_cosigned_with_two_roots(world: World) -> None:
    """Two forks, offered in turn, at every size: each size gets one answer."""
    forks: Sequence[list[log_pb2.LogEntry]] = (
        [world.genesis(), transcript(A, 1), transcript(B, 1), transcript(C, 1)],
        [world.genesis(), transcript(A, 1), transcript(B, 2), transcript(C, 1)],
    )
    follower = Follower(world.charter)
    cosigned: dict[int, set[bytes]] = {}
    for size in range(1, 5):
        for fork in forks:
            for first in range(size + 1):
                try:
                    answer = follower.extend(first, fork[first:size], world.checkpoint(fork[:size]))
                except Refused:
                    continue
                cosigned.setdefault(size, set()).add(answer)
    assert {size: len(answers) for size, answers in cosigned.items()} == {1: 1, 2: 1, 3: 1, 4: 1}
