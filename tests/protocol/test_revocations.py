"""What was granted is taken back: when it is decided, revealed, decrypted, replayed, and after a restart."""

from functools import partial
from typing import Any

import pytest

from cotally.server.audit.stages import grant_leaf
from cotally.server.coordinator.session import Round
from cotally.server.node.lists import Lists
from cotally.server.node.permissions import Permissions
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, query_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal
from tests.protocol.lab import NOW, Lab
from tests.protocol.planting import committed, refused_as

HOUR_MS = 3_600_000


def revocation(lab: Lab, issuer: str = "tax", serial: int = 1, **fields: Any) -> query_pb2.SignedRevocation:
    fields = fields or {"analysts": [query_pb2.RevokedAnalyst(analyst="ada")]}
    body = query_pb2.Revocation(**{
        "federation": "lab", "founding": lab.federation.roster, "issuer": issuer, "serial": serial,
        "issued_ms": NOW, "next_update_ms": NOW + 30 * 24 * HOUR_MS, **fields})
    return query_pb2.SignedRevocation(body=body, signature=sign(lab.keys[issuer], "revocation", body))


def log(lab: Lab, signed: query_pb2.SignedRevocation) -> None:
    lab.log(log_pb2.LogEntry(revocation=log_pb2.RevocationLeaf(revocation=signed)))


def permissions(lab: Lab, max_age_ms: int | None = None) -> Permissions:
    """Tax's own, read anew from its disk as after a restart."""
    node = lab.nodes["tax"]
    return Permissions(lab.federation, "tax", node.session.follower, Lists(node.session._rounds._engine),
                       [lab.grant("tax", "ada"), lab.grant("tax", "eve")], max_age_ms)


def test_a_revoked_analyst_gets_no_decision_and_another_one_does(lab: Lab) -> None:
    tax = lab.nodes["tax"].session
    tax.permissions.grants = [lab.grant("tax", "ada"), lab.grant("tax", "eve")]
    assert tax.decide(lab.announce(), NOW)
    tax.permissions.take(revocation(lab))
    refused_as(Refusal.NOT_ALLOWED, lambda: tax.decide(lab.announce(), NOW), "has revoked")
    assert tax.decide(lab.announce(lab.envelope(analyst="eve")), NOW)
    assert lab.nodes["health"].session.decide(lab.announce(), NOW)
    assert lab.nodes["tax"].ledger.status()[0].spent_pico_loss == 0


@pytest.mark.parametrize("by_the_log", [False, True])
def test_a_revocation_between_commitment_and_reveal_costs_the_price_and_shows_nothing(
    lab: Lab, by_the_log: bool
) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    tax = lab.nodes["tax"].session
    grant = next(c.body.grant.body for c in frozen.body.commitments if c.body.node == "tax")
    signed = revocation(lab, grants=[digest("grant", grant)])
    if by_the_log:
        log(lab, signed)
        lab.witness()
    else:
        tax.permissions.take(signed)
    refused_as(Refusal.NOT_ALLOWED, lambda: tax.reveal(frozen, lab.now), "has revoked")
    assert lab.nodes["health"].session.reveal(frozen, lab.now)
    assert lab.nodes["tax"].ledger.status()[0].spent_pico_loss > 0


def test_the_operators_word_counts_at_nodes_through_the_log(lab: Lab) -> None:
    log(lab, revocation(lab, "coordinator", members=["ada"]))
    tax = lab.nodes["tax"].session
    assert tax.decide(lab.announce(), NOW)
    lab.witness()
    refused_as(Refusal.CREDENTIALS, lambda: tax.decide(lab.announce(), NOW), "revoked ada")


@pytest.mark.parametrize(("issuer", "fields"), [
    ("tax", {}), ("tax", {"analysts": [query_pb2.RevokedAnalyst(analyst="ada", purpose="statistics")]}),
    ("coordinator", {"members": ["ada"]}), ("coordinator", {"members": ["tax"]})])
def test_key_holders_heed_a_list_that_stands_before_the_transcript(
    lab: Lab, issuer: str, fields: dict[str, Any]
) -> None:
    round_ = committed(lab)
    log(lab, revocation(lab, issuer, **fields))
    evidence = lab.evidence(round_)
    refusal = Refusal.NOT_ALLOWED if issuer == "tax" else Refusal.CREDENTIALS
    refused_as(refusal, lambda: lab.decrypt("holder-1", evidence), "revoked")


def test_key_holders_decrypt_what_was_combined_before_the_list(lab: Lab) -> None:
    round_ = committed(lab)
    lab.log(log_pb2.LogEntry(announcement=log_pb2.AnnouncementLeaf(round=b"x" * 32)))
    evidence = lab.evidence(round_)
    log(lab, revocation(lab))
    evidence.checkpoint.CopyFrom(lab.witness())
    assert lab.decrypt("holder-1", evidence)


@pytest.mark.parametrize("lie", [False, True])
def test_key_holders_decrypt_under_no_grant_that_the_log_hides_or_misstates(lab: Lab, lie: bool) -> None:
    round_ = committed(lab)
    for commitment in round_.commitments.values():
        leaf = grant_leaf(commitment.body.grant.body)
        if lie:
            leaf.not_after_ms += 1
            lab.log(log_pb2.LogEntry(grant=leaf))
    lab.show_grants = lambda round_: None  # type: ignore[method-assign]
    evidence = lab.evidence(round_)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence), "does not show the grant")


def test_serials_never_go_back_over_restarts(lab: Lab) -> None:
    ours = lab.nodes["tax"].session.permissions
    older, newer = revocation(lab, serial=4), revocation(lab, serial=5, analysts=[])
    ours.take(newer)
    for each in (ours, permissions(lab)):
        refused_as(Refusal.STEPPED_BACK, partial(each.take, older))
        each.take(newer)  # the same again changes nothing
        assert each.last == newer == each.unlogged
        assert each.find(lab.envelope().body, NOW)
    log(lab, revocation(lab, serial=6))  # what the disk forgot, the log remembers
    lab.witness()
    for each in (ours, permissions(lab)):
        assert each.last is not None and each.last.body.serial == 6 and each.unlogged is None
        refused_as(Refusal.NOT_ALLOWED, partial(each.find, lab.envelope().body, NOW), "has revoked")
        refused_as(Refusal.STEPPED_BACK, partial(each.take, newer))


@pytest.mark.parametrize("damage", ["forged", "two of one serial", "of another department"])
def test_a_list_that_cannot_be_believed_stops_everything(lab: Lab, damage: str) -> None:
    ours = permissions(lab)
    ours.take(revocation(lab, analysts=[], serial=1))
    bad = {"forged": revocation(lab, serial=2, analysts=[]),
           "of another department": revocation(lab, "north"),
           "two of one serial": revocation(lab, serial=1)}[damage]
    if damage == "forged":
        bad.body.serial = 3
    refusal = {"forged": Refusal.CREDENTIALS, "two of one serial": Refusal.EQUIVOCATION,
               "of another department": Refusal.NOT_ALLOWED}[damage]
    refused_as(refusal, lambda: ours.take(bad))
    refused_as(Refusal.NOT_ALLOWED, lambda: ours.find(lab.envelope(analyst="eve").body, NOW),
               "cannot be believed")
    ours.take(revocation(lab, serial=9, analysts=[]))
    assert ours.find(lab.envelope(analyst="eve").body, NOW)


def test_a_stale_list_fails_closed_where_the_operator_says_so(lab: Lab) -> None:
    strict, lax = permissions(lab, max_age_ms=2 * HOUR_MS), permissions(lab)
    envelope = lab.envelope().body
    assert lax.find(envelope, NOW)
    refused_as(Refusal.EXPIRED, lambda: strict.find(envelope, NOW), "missing or stale")
    strict.take(revocation(lab, analysts=[], next_update_ms=NOW + HOUR_MS))
    assert strict.find(envelope, NOW + HOUR_MS)
    refused_as(Refusal.EXPIRED, lambda: strict.find(envelope, NOW + HOUR_MS + 1), "missing or stale")
    strict.take(revocation(lab, serial=2, analysts=[]))
    assert strict.find(envelope, NOW + 2 * HOUR_MS)
    refused_as(Refusal.EXPIRED, lambda: strict.find(envelope, NOW + 2 * HOUR_MS + 1), "missing or stale")


def test_a_replay_needs_a_grant_that_stands(lab: Lab) -> None:
    played = lab.play()
    tax = lab.nodes["tax"].session
    tax.permissions.grants = [lab.grant("tax", "ada"), lab.grant("tax", "eve")]
    asked = lab.envelope(analyst="eve")
    assert tax.permit(asked, played.round.id, NOW)
    tax.permissions.take(revocation(lab, analysts=[query_pb2.RevokedAnalyst(analyst="eve")]))
    refused_as(Refusal.NOT_ALLOWED, lambda: tax.permit(asked, played.round.id, NOW), "has revoked")


def test_a_node_that_stopped_after_it_folded_a_release_deletes_its_secrets_later(lab: Lab) -> None:
    played = lab.play()
    lab.log(log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=played.round.id, release=bytes(32))))
    lab.witness()  # it folds the entry, and stops before it follows it
    before = lab.nodes["tax"].session._rounds.get(played.round.id)
    assert before is not None and before.sealed is not None
    again = lab.department("tax")
    again.session.settle()
    after = again.session._rounds.get(played.round.id)
    assert after is not None and after.sealed is None
    assert again.ledger.status()[0].reserved_pico_loss == 0
