"""What a key holder refuses by itself, were the coordinator and up to c departments to collude.

The other files plant one attack at a time among honest parties. Here nobody else has looked, and the
key holder is the last one who stands between the attacker and a plaintext.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import gmpy2
import pytest

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.coordinator.session import Round
from cotally.server.crypto.keys import PublicKey
from cotally.server.crypto.signing import SigningKey
from cotally.server.keyholder.decryptions import Decryptions
from cotally.server.keyholder.session import KeyHolderSession
from cotally.server.node.rounds import Sealed
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.commitment import commit
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal
from tests.protocol.lab import Lab, Played, count_by_sex
from tests.protocol.planting import committed, forget_rounds, hostile, less_noise, refused_as, relog, resigned


def colluding(lab: Lab, make: Callable[[Sequence[int]], Sequence[int]]) -> work_pb2.Evidence:
    """A logged, witnessed round in which `tax` reveals what *make* builds from the old numbers of `north`."""
    public = lab.dealt.public
    stolen = {r.body.node: r for r in lab.play().evidence.reveals}["north"]
    made = make(public.ring.numbers(stolen.body.ciphertexts))
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in ("health", "north"):
        round_.commit(lab.commit(name, announcement))
    contents = Sealed(b"s" * 32, public.ring.vector(made), stolen.body.proof)
    commitment, sealed = hostile(lab, announcement, "tax", lambda clear: contents)
    round_.commit(commitment)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    opened = [lab.nodes[name].session.reveal(frozen, lab.now) for name in ("health", "north")]
    opened.append(reveals.reveal(frozen, "tax", sealed.salt, sealed.ciphertexts, sealed.proof,
                                 lab.keys["tax"]))
    products = reveals.combine(lab.federation, opened, 1)
    return relog(lab, Played(round_, work_pb2.Evidence()), products, opened)


FROM_OLD: dict[str, Callable[[PublicKey, int], int]] = {
    "the same": lambda key, c: c,
    "shifted": lambda key, c: int(c * (1 + 12345 * key.modulus) % key.modulus_squared),
    "inverted": lambda key, c: int(gmpy2.invert(c, key.modulus_squared)),
    "scaled": lambda key, c: int(gmpy2.powmod(c, 3, key.modulus_squared)),
}


@pytest.mark.parametrize("what", FROM_OLD)
def test_key_holders_refuse_a_colleagues_old_ciphertext(lab: Lab, what: str) -> None:
    evidence = colluding(lab, lambda old: [FROM_OLD[what](lab.dealt.public, old[0])])
    refused_as(Refusal.BAD_PROOF, lambda: lab.decrypt("holder-1", evidence), "tax")


def test_key_holders_refuse_a_reveal_that_does_not_open_its_commitment(lab: Lab) -> None:
    round_ = committed(lab)
    honest = round_.reveals["tax"].body
    assert round_.frozen is not None
    other = reveals.reveal(round_.frozen, "tax", b"x" * 32, honest.ciphertexts, honest.proof, lab.keys["tax"])
    round_.reveals["tax"] = other
    evidence = lab.evidence(round_)
    refused_as(Refusal.BAD_PROOF, lambda: lab.decrypt("holder-1", evidence), "not what it committed")


def test_a_seal_opens_for_its_own_department_in_its_own_round_only(lab: Lab) -> None:
    """A thief copies the seal of an old commitment, and what opened it then does not open it now."""
    stolen = {r.body.node: r.body for r in lab.play().evidence.reveals}["north"]
    contents = Sealed(stolen.salt, stolen.ciphertexts, stolen.proof)
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in ("health", "north"):
        round_.commit(lab.commit(name, announcement))
    honest, _ = hostile(lab, announcement, "tax", lambda clear: contents)
    old = lab.nodes["north"].session.resume(stolen.round)
    assert old is not None and old.commitment is not None
    copied = commit(honest.body, old.commitment.body.sealed, lab.keys["tax"])
    round_.commit(copied)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    opened = reveals.reveal(frozen, "tax", stolen.salt, stolen.ciphertexts, stolen.proof, lab.keys["tax"])
    refused_as(Refusal.BAD_PROOF, lambda: round_.reveal(opened), "not what it committed")


def test_key_holders_refuse_a_reveal_that_another_department_signed(lab: Lab) -> None:
    evidence = lab.play().evidence
    evidence.reveals[2].signature = sign(lab.keys["north"], "reveal", evidence.reveals[2].body)
    refused_as(Refusal.CREDENTIALS, lambda: lab.decrypt("holder-1", evidence), "tax")


@pytest.mark.parametrize("which", [[0, 1], [0, 1, 1], [0, 2, 1], [0, 1, 2, 2]])
def test_key_holders_take_exactly_the_rosters_reveals(lab: Lab, which: list[int]) -> None:
    evidence = lab.play().evidence
    chosen = [copy.deepcopy(evidence.reveals[i]) for i in which]
    del evidence.reveals[:]
    evidence.reveals.extend(chosen)
    refused_as(Refusal.WITHHELD, lambda: lab.decrypt("holder-1", evidence))


def test_key_holders_make_their_own_plan(lab: Lab) -> None:
    """Were every node to accept less noise, the key holder would not."""
    evidence = lab.play().evidence
    evidence.announcement.CopyFrom(resigned(lab, less_noise))
    refused_as(Refusal.PLAN_MISMATCH, lambda: lab.decrypt("holder-1", evidence), "our own calculation")


def test_key_holders_check_the_analysts_signature(lab: Lab) -> None:
    evidence = lab.play().evidence
    body = evidence.announcement.body
    body.envelope.CopyFrom(lab.envelope(analyst="ada", signer="eve"))
    evidence.announcement.signature = sign(lab.keys["coordinator"], "announcement", body)
    refused_as(Refusal.CREDENTIALS, lambda: lab.decrypt("holder-1", evidence), "envelope")


def test_key_holders_refuse_a_question_that_had_expired(lab: Lab) -> None:
    """They have no clock of their own to go by, only the order of what was signed."""
    def late(body: round_pb2.Announcement) -> None:
        body.envelope.body.expires_ms = body.announced_ms - 1
        body.envelope.signature = sign(lab.keys["ada"], "envelope", body.envelope.body)

    evidence = lab.play().evidence
    evidence.announcement.CopyFrom(resigned(lab, late))
    refused_as(Refusal.EXPIRED, lambda: lab.decrypt("holder-1", evidence))


def test_key_holders_refuse_an_announcement_to_fewer_than_the_minimum(lab: Lab) -> None:
    evidence = lab.play().evidence
    evidence.announcement.CopyFrom(lab.announce(participants=["north", "tax"]))
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: lab.decrypt("holder-1", evidence), "people needs 3")


def test_a_frozen_roster_of_another_round_is_not_decrypted(lab: Lab) -> None:
    evidence = lab.play().evidence
    evidence.frozen.CopyFrom(lab.play().evidence.frozen)
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.decrypt("holder-1", evidence), "another round")


# What the log says the round costs, and whom


LEAVES: dict[str, Callable[[log_pb2.TranscriptLeaf], object]] = {
    "a lower price": lambda leaf: setattr(leaf, "pico_loss", 1),
    "another population": lambda leaf: setattr(leaf, "population", "cattle"),
    "another analyst": lambda leaf: setattr(leaf, "analyst", "eve"),
    "another purpose": lambda leaf: setattr(leaf, "purpose", "audit"),
    "another transcript": lambda leaf: setattr(leaf, "transcript", bytes(32)),
}


@pytest.mark.parametrize("what", LEAVES)
def test_a_round_that_is_logged_as_something_else_is_not_decrypted(lab: Lab, what: str) -> None:
    round_ = committed(lab)
    leaf = round_.combine()
    LEAVES[what](leaf)
    index = lab.log(log_pb2.LogEntry(transcript=leaf))
    evidence = work_pb2.Evidence(
        announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=lab.witness(),
        reveals=[round_.reveals[n] for n in round_.members])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_a_round_that_the_filters_refused_stays_refused(folder: Path) -> None:
    """Two rounds were agreed to before either was logged; the budget covers the first one only."""
    lab = Lab(folder, budgets=[roster_pb2.FilterBudget(population="residents", pico_loss=7 * 10**11)])
    rounds = [committed(lab), committed(lab)]
    first, second = lab.evidence(rounds[0]), lab.evidence(rounds[1])
    assert lab.decrypt("holder-1", first)
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.decrypt("holder-1", second))
    lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=rounds[0].id, reason="WITHHELD")))
    again = lab.log(log_pb2.LogEntry(transcript=rounds[1].combine()))
    second.checkpoint.CopyFrom(lab.witness())
    refused_as(Refusal.BUDGET_SPENT, lambda: lab.decrypt("holder-2", second))
    second.index = again
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-2", second))


def test_a_round_that_was_never_logged_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    evidence = work_pb2.Evidence(
        announcement=round_.announcement, frozen=round_.frozen, checkpoint=lab.witness(),
        reveals=[round_.reveals[n] for n in round_.members])
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence), "this round's transcript")


def test_a_transcript_at_another_index_is_not_decrypted(lab: Lab) -> None:
    evidence = lab.play().evidence
    evidence.index -= 1
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence), "this round's transcript")


def test_a_log_that_a_quorum_cosigned_but_we_did_not_fold_is_refused(lab: Lab) -> None:
    evidence = lab.play().evidence
    words = text("lab", lab.audit.size, b"\1" * 32)
    evidence.checkpoint.checkpoint.text = words
    evidence.checkpoint.checkpoint.signature = lab.keys["coordinator"].sign(words.encode())
    for cosignature in evidence.checkpoint.cosignatures:
        cosignature.signature = lab.keys[cosignature.witness].sign(cosign_bytes(words))
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "that we folded")


def test_a_roster_that_is_logged_after_its_transcript_is_not_decrypted(lab: Lab) -> None:
    """No checkpoint that covers the transcript would show it, so forks could tell it differently."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen, lab.now))
    evidence = lab.evidence(round_)
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    lab.witness()
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence), "frozen roster")


def test_a_question_asked_in_two_rounds_is_decrypted_in_one(lab: Lab) -> None:
    """Two halves of the federation see one query id in two rounds; each node sees it once."""
    envelope = lab.envelope()
    first = lab.play(envelope)
    forget_rounds(lab)
    second = lab.play(envelope)
    assert lab.decrypt("holder-1", second.evidence)
    refused_as(Refusal.REPLAYED, lambda: lab.decrypt("holder-1", first.evidence), "another round")


def test_a_restarted_key_holder_remembers_what_it_decrypted(lab: Lab) -> None:
    played = lab.play()
    first = lab.decrypt("holder-1", played.evidence)
    lab.holders["holder-1"] = lab._holder("holder-1", 0)
    examined = lab.holders["holder-1"].session.examine(played.evidence)
    examined.transcript.product = bytes(32)
    refused_as(Refusal.REPLAYED, lambda: lab.holders["holder-1"].session.decrypt(examined))
    assert lab.decrypt("holder-1", played.evidence) == first


def test_a_key_holder_with_a_colleagues_share_does_not_start(lab: Lab) -> None:
    session = lab.holders["holder-1"].session
    refused_as(Refusal.CREDENTIALS, lambda: KeyHolderSession(
        lab.federation, "holder-1", SigningKey.generate(), lab.dealt.shares[1],
        Decryptions(lab.folder / "other.db"), session.follower), "index 2")


# Ledgers


def stepped_back(lab: Lab, leave_out: str) -> work_pb2.Evidence:
    """`tax` lost its ledger, and the coordinator shows it a log in which it never took part."""
    for _ in range(2):
        lab.play(lab.envelope(count_by_sex("0.25")))
    lab.nodes["tax"] = lab.department("tax", state="backup")
    announcement = lab.announce(lab.envelope(count_by_sex("0.25")))
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    leaf = reveals.roster_leaf(frozen)
    kept = [ledger for ledger in leaf.ledgers if ledger.node != leave_out]
    del leaf.ledgers[:]
    leaf.ledgers.extend(kept)
    lab.log(log_pb2.LogEntry(roster=leaf))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen, lab.now))
    return lab.evidence(round_)


def test_a_ledger_that_steps_back_is_refused_by_key_holders(lab: Lab) -> None:
    evidence = stepped_back(lab, leave_out="tax")
    refused_as(Refusal.STEPPED_BACK, lambda: lab.decrypt("holder-1", evidence), "tax's ledger ends at 2")
    assert not lab.holders["holder-1"].session.follower.forked


def test_a_logged_step_back_is_a_fork_for_ever(lab: Lab) -> None:
    evidence = stepped_back(lab, leave_out="")
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "a fork of tax's ledger")
    assert lab.holders["holder-1"].session.follower.forked == {"tax"}


@pytest.mark.parametrize("alter", [
    lambda link: setattr(link, "kind", 99), lambda link: setattr(link, "kind", 0),
    lambda link: setattr(link, "population", ""), lambda link: setattr(link, "pico_loss", 2**64 - 1),
    lambda link: setattr(link, "length", 2**64 - 1), lambda link: setattr(link, "previous", b""),
    lambda link: link.Clear(),
])
def test_nonsense_in_a_logged_ledger_is_a_fork_and_nothing_worse(
    lab: Lab, alter: Callable[[round_pb2.LedgerEntry], object]
) -> None:
    evidence = lab.play().evidence
    last = next(c.body.links[-1] for c in evidence.frozen.body.commitments if c.body.node == "tax")
    odd = round_pb2.LedgerEntry(
        node="tax", length=last.length + 1, previous=digest("ledger", last), population="residents",
        kind=round_pb2.LEDGER_KIND_RESERVE, round=b"one round".ljust(32), pico_loss=1)
    alter(odd)
    after = round_pb2.LedgerEntry(
        node="tax", length=last.length + 2, previous=digest("ledger", odd), population="residents",
        kind=round_pb2.LEDGER_KIND_RESERVE, round=b"another round".ljust(32), pico_loss=1)
    lab.log(log_pb2.LogEntry(roster=log_pb2.RosterLeaf(
        round=after.round, ledgers=[log_pb2.NodeLinks(node="tax", links=[odd, after])])))
    lab.witness()
    assert lab.holders["holder-1"].session.follower.forked == {"tax"}
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "fork of tax's ledger")
