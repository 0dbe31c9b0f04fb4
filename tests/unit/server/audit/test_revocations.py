"""Lists of revocations: who may issue which, serials that rise, and what the log's fold makes of them."""

import pytest

from cotally.server.audit.follower import Follower
from cotally.server.audit.revocations import check_later, check_list, check_standing
from cotally.server.audit.stages import grant_leaf
from cotally.v1 import log_pb2, query_pb2
from cotally.v1.canonical import digest, to_sign
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.logs import World, transcript

GRANT = query_pb2.Grant(federation="pums", department="east", analyst="alice", purposes=["statistics"])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def body(issuer: str = "east", serial: int = 1, **fields: object) -> query_pb2.Revocation:
    times = {"issued_ms": 1, "next_update_ms": 2}
    return query_pb2.Revocation(**{  # type: ignore[arg-type]
        "federation": "pums", "issuer": issuer, "serial": serial, **times, **fields})


def signed(world: World, of: query_pb2.Revocation, by: str = "") -> query_pb2.SignedRevocation:
    issued = query_pb2.Revocation()
    issued.CopyFrom(of)
    issued.founding = of.founding or digest("roster", world.first)
    return query_pb2.SignedRevocation(
        body=issued, signature=world.keys[by or of.issuer].sign(to_sign("revocation", issued)))


def leaf(of: query_pb2.SignedRevocation) -> log_pb2.LogEntry:
    return log_pb2.LogEntry(revocation=log_pb2.RevocationLeaf(revocation=of))


def analyst(name: str, purpose: str = "") -> query_pb2.RevokedAnalyst:
    return query_pb2.RevokedAnalyst(analyst=name, purpose=purpose)


@pytest.mark.parametrize(("of", "by", "refusal"), [
    (body(), "north", Refusal.CREDENTIALS),
    (body("holder1"), "", Refusal.CREDENTIALS),
    (body("alice"), "", Refusal.CREDENTIALS),
    (body(federation="other"), "", Refusal.NOT_ALLOWED),
    (body(founding=bytes(32)), "", Refusal.NOT_ALLOWED),  # a federation of the same name, founded before
    (body(members=["alice"]), "", Refusal.NOT_ALLOWED),
    (body("board", analysts=[analyst("alice")]), "", Refusal.NOT_ALLOWED),
    (body("board", grants=[bytes(32)]), "", Refusal.NOT_ALLOWED),
    (body(serial=0), "", Refusal.MALFORMED),
    (body(next_update_ms=1), "", Refusal.MALFORMED),
    (body(analysts=[analyst("bob"), analyst("alice")]), "", Refusal.MALFORMED),
    (body(grants=[bytes(32)] * 2), "", Refusal.MALFORMED),
    (body(grants=[i.to_bytes(32, "big") for i in range(1001)]), "", Refusal.MALFORMED),
])
def test_a_list_that_its_issuer_may_not_make_is_refused(
    world: World, of: query_pb2.Revocation, by: str, refusal: Refusal
) -> None:
    for act in (lambda: check_list(world.first, signed(world, of, by)),
                lambda: world.follow(leaf(signed(world, of, by)))):
        with pytest.raises(Refused) as caught:
            act()
        assert caught.value.refusal is refusal


def test_serials_rise_within_one_batch_too(world: World) -> None:
    first, second = signed(world, body(serial=3)), signed(world, body(serial=4))
    assert world.follow(leaf(first), leaf(second)).revocations.last("east") == second
    for next_, refusal in ((signed(world, body(serial=2)), Refusal.STEPPED_BACK),
                           (signed(world, body(serial=3, issued_ms=0)), Refusal.EQUIVOCATION)):
        for act in (lambda n=next_: world.follow(leaf(first), leaf(n)),
                    lambda n=next_: check_later(first, n)):
            with pytest.raises(Refused) as caught:
                act()
            assert caught.value.refusal is refusal
    other = signed(world, body("north", serial=1))
    assert world.follow(leaf(first), leaf(other)).revocations.last("north") == other


@pytest.mark.parametrize(("of", "refusal"), [
    (body(), None),
    (body(analysts=[analyst("alice")]), Refusal.NOT_ALLOWED),
    (body(analysts=[analyst("alice", "statistics")]), Refusal.NOT_ALLOWED),
    (body(analysts=[analyst("alice", "audit")]), None),
    (body(analysts=[analyst("bob")]), None),
    (body(grants=[digest("grant", GRANT)]), Refusal.NOT_ALLOWED),
    (body(grants=[bytes(32)]), None),
    (body("north", analysts=[analyst("alice")], grants=[digest("grant", GRANT)]), None),
    (body("board", members=["alice"]), Refusal.CREDENTIALS),
    (body("board", members=["east"]), Refusal.CREDENTIALS),
    (body("board", members=["north"]), None),
])
def test_what_a_list_takes_back(world: World, of: query_pb2.Revocation, refusal: Refusal | None) -> None:
    found = None
    try:
        check_standing(signed(world, of), GRANT, "statistics")
    except Refused as refused:
        found = refused.refusal
    assert found is refusal


def test_a_list_counts_for_what_comes_later_in_the_log(world: World) -> None:
    taken = signed(world, body(analysts=[analyst("alice")]))
    follower = world.follow(transcript(b"A", 1), leaf(taken), transcript(b"B", 1),
                            leaf(signed(world, body(serial=2))), transcript(b"C", 1))
    for each in (follower, Follower.load(follower.dump(), world.charter)):
        for index, allowed in ((1, True), (2, True), (3, False), (4, False), (5, True), (None, True)):
            if allowed:
                each.revocations.check_standing(GRANT, "statistics", index)
            else:
                with pytest.raises(Refused):
                    each.revocations.check_standing(GRANT, "statistics", index)


def test_a_grants_first_leaf_must_tell_the_truth_and_come_first(world: World) -> None:
    honest = log_pb2.LogEntry(grant=grant_leaf(GRANT))
    lie = log_pb2.LogEntry(grant=grant_leaf(GRANT))
    lie.grant.analyst = "bob"
    for entries, before, shown in (([honest], 2, True), ([honest, lie], 3, True), ([lie, honest], 3, False),
                                   ([honest], 1, False), ([], 9, False)):
        follower = world.follow(*entries)
        for each in (follower, Follower.load(follower.dump(), world.charter)):
            if shown:
                each.check_grant_shown(GRANT, before)
            else:
                with pytest.raises(Refused) as caught:
                    each.check_grant_shown(GRANT, before)
                assert caught.value.refusal is Refusal.NOT_WITNESSED
    with pytest.raises(Refused):
        world.follow(log_pb2.LogEntry(grant=log_pb2.GrantLeaf(grant=b"short", department="east")))
