"""Checkpoints: one spelling, the coordinator's signature, and a quorum that hostile witnesses cannot make."""

from collections.abc import Sequence
from itertools import combinations

import pytest

from cotally.server.audit.checkpoint import check_witnessed, cosign_bytes, parse, quorum, text
from cotally.v1 import log_pb2, roster_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.logs import World

ROOT = bytes(range(32))
TEXT = "cotally/pums\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


def refusal_of(charter: roster_pb2.Charter, witnessed: log_pb2.WitnessedCheckpoint) -> Refusal:
    with pytest.raises(Refused) as caught:
        check_witnessed(charter, witnessed)
    return caught.value.refusal


def test_the_text_is_fixed() -> None:
    assert text("pums", 7, ROOT) == TEXT
    assert parse(TEXT) == ("pums", 7, ROOT)
    assert cosign_bytes(TEXT) == b"cotally cosignature v1\n" + TEXT.encode()


@pytest.mark.parametrize("other", [
    "", "\n\n\n", TEXT[:-1], TEXT + "\n", TEXT.replace("7", "07"), TEXT.replace("7", "+7"),
    TEXT.replace("7", "-7"), TEXT.replace("7", "7 "),
    TEXT.replace("7", "٧"), TEXT.replace("cotally/", ""),
    TEXT.replace("pums", ""),
    TEXT.replace("h8=", "h9="), TEXT.replace("=", ""), TEXT.replace("AAEC", ""), TEXT.replace("\n", "\r\n"),
    TEXT.replace("pums", "pu\tms"), "x" + TEXT,
])
def test_any_other_spelling_is_refused(other: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(other)
    assert caught.value.refusal == Refusal.MALFORMED


@pytest.mark.parametrize("federation", ["", "a\nb", "a\0"])
def test_a_name_that_would_break_the_lines_is_refused(federation: str) -> None:
    with pytest.raises(Refused):
        text(federation, 7, ROOT)


@pytest.mark.parametrize("witnesses", range(1, 12))
@pytest.mark.parametrize("hostile", range(4))
def test_two_quorums_share_an_honest_witness_and_fewer_would_not(witnesses: int, hostile: int) -> None:
    q = quorum(witnesses, hostile)
    assert 2 * q - witnesses > hostile  # the least overlap of two sets of q
    assert 2 * (q - 1) - witnesses <= hostile


@pytest.mark.parametrize(("by", "accepted"), [
    (("east", "holder1", "holder2", "holder3", "north"), True),  # w = 6, f = 2: 5 are needed
    (("east", "holder1", "holder2", "holder3", "north", "south"), True),
    (("east", "holder1", "holder2", "holder3"), False),
    (("east", "east", "east", "east", "east", "holder1"), False),
    (("alice", "board", "east", "holder1", "holder2", "holder3"), False),
    ((), False),
])
def test_a_quorum_of_distinct_witnesses_counts(world: World, by: Sequence[str], accepted: bool) -> None:
    witnessed = world.witnessed(world.sign(TEXT), by)
    if accepted:
        assert check_witnessed(world.charter, witnessed) == (7, ROOT)
    else:
        assert refusal_of(world.charter, witnessed) == Refusal.NOT_WITNESSED


def test_borrowed_and_broken_cosignatures_count_for_nothing(world: World) -> None:
    good = world.witnessed(world.sign(TEXT), ("east", "holder1", "holder2", "holder3", "north"))
    for i, j in combinations(range(5), 2):
        stolen = log_pb2.WitnessedCheckpoint()
        stolen.CopyFrom(good)
        stolen.cosignatures[i].signature = good.cosignatures[j].signature
        assert refusal_of(world.charter, stolen) == Refusal.NOT_WITNESSED
    good.cosignatures[0].signature = world.keys["east"].sign(TEXT.encode())  # without its domain
    assert refusal_of(world.charter, good) == Refusal.NOT_WITNESSED


def test_cosignatures_of_another_root_count_for_nothing(world: World) -> None:
    by = ("east", "holder1", "holder2", "holder3", "north")
    other = world.witnessed(world.sign(text("pums", 7, bytes(32))), by)
    other.checkpoint.CopyFrom(world.sign(TEXT))
    assert refusal_of(world.charter, other) == Refusal.NOT_WITNESSED


def test_only_the_coordinator_and_only_this_federation(world: World) -> None:
    everybody = ("east", "holder1", "holder2", "holder3", "north", "south")
    forged = world.witnessed(world.sign(TEXT, by="east"), everybody)
    assert refusal_of(world.charter, forged) == Refusal.CREDENTIALS
    other = world.sign(text("brfss", 7, ROOT))
    assert refusal_of(world.charter, world.witnessed(other, everybody)) == Refusal.EQUIVOCATION
