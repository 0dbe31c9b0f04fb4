"""Planted attacks, each refused by the check that is there for it.

The attacker owns the coordinator, and whatever else a test says. What it wants is always the same:
a number about fewer departments, or with less noise, than everybody agreed to.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import gmpy2
import pytest

from cotally.server.coordinator.session import Round
from cotally.server.crypto import ciphertexts, plaintext_proof
from cotally.server.node.rounds import Sealed
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.announcement import announce
from cotally.server.protocol.commitment import clear_fields, commit, proof_context, seal
from cotally.server.protocol.frozen import freeze
from cotally.server.wire.proofs import plaintext_message
from cotally.server.wire.signed import sign
from cotally.v1 import log_pb2, round_pb2, work_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab, Played, count_by_sex


def refused_as(refusal: Refusal, act: Callable[[], object], match: str | None = None) -> None:
    """*act* must be refused as *refusal*, and for no other reason."""
    with pytest.raises(Refused, match=match) as refused:
        act()
    assert refused.value.refusal is refusal, refused.value


def relog(lab: Lab, played: Played, products: bytes, reveals_: list[round_pb2.Reveal],
          frozen: round_pb2.SignedFrozenRoster | None = None) -> work_pb2.Evidence:
    """Evidence whose log holds a transcript of the attacker's choice."""
    frozen = frozen or played.round.frozen
    assert frozen is not None
    made = reveals.transcript(frozen, reveals_, products)
    leaf = reveals.transcript_leaf(played.round.announcement.body, made)
    index = lab.log(log_pb2.LogEntry(transcript=leaf))
    return work_pb2.Evidence(announcement=played.round.announcement, frozen=frozen, reveals=reveals_,
                             index=index, checkpoint=lab.witness())


def committed(lab: Lab) -> Round:
    """A round in which everybody committed and revealed, not yet combined or logged."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen))
    return round_


# The coordinator wants one department, or fewer than agreed


def test_a_single_departments_ciphertexts_are_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    alone = [round_.reveals["tax"]]
    products = alone[0].body.ciphertexts
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), products, alone)
    refused_as(Refusal.WITHHELD, lambda: lab.decrypt("holder-1", evidence))


def test_a_roster_of_one_department_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    small = freeze(round_.id, [round_.commitments["tax"]], lab.keys["coordinator"])
    alone = lab.nodes["tax"].session
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: alone.reveal(small))
    stolen = reveals.reveal(small, "tax", round_.reveals["tax"].body.salt,
                            round_.reveals["tax"].body.ciphertexts, round_.reveals["tax"].body.proof,
                            lab.keys["tax"])
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), stolen.body.ciphertexts, [stolen], small)
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: lab.decrypt("holder-1", evidence))


def test_a_logged_subset_product_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    public = lab.dealt.public
    parts = {n: ciphertexts.from_bytes(r.body.ciphertexts, 1, public) for n, r in round_.reveals.items()
             if n != "tax"}
    subset = ciphertexts.to_bytes(ciphertexts.multiply(parts, public), public)
    everybody = [round_.reveals[n] for n in round_.members]
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), subset, everybody)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_a_scaled_product_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    round_.combine()
    public = lab.dealt.public
    [product] = ciphertexts.from_bytes(round_.products, 1, public)
    scaled = ciphertexts.to_bytes([int(gmpy2.powmod(product, 2, public.modulus_squared))], public)
    everybody = [round_.reveals[n] for n in round_.members]
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), scaled, everybody)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_fewer_participants_than_the_minimum_are_not_answered(lab: Lab) -> None:
    small = lab.announce(participants=["north", "tax"])
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: lab.commit("tax", small))


def test_a_node_whose_operator_asks_for_more_departments_declines(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    session._accept_minimum = 4
    refused_as(Refusal.TOO_FEW_DEPARTMENTS, lambda: session.decide(lab.announce(), lab.now), "tax takes part")


# Two rosters


def four(folder: Path) -> Lab:
    return Lab(folder, ("health", "north", "south", "tax"))


def test_a_node_never_reveals_to_a_second_roster(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    commitments = {name: lab.commit(name, announcement) for name in lab.nodes}
    session = lab.nodes["tax"].session
    whole = freeze(commitments["tax"].body.round, commitments.values(), lab.keys["coordinator"])
    session.reveal(whole)
    del commitments["health"]
    refrozen = freeze(commitments["tax"].body.round, commitments.values(), lab.keys["coordinator"])
    refused_as(Refusal.EQUIVOCATION, lambda: session.reveal(refrozen), "two frozen rosters")
    restarted = lab.department("tax").session
    refused_as(Refusal.EQUIVOCATION, lambda: restarted.reveal(refrozen), "two frozen rosters")


def test_two_rosters_shown_to_two_nodes_are_not_decrypted(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    without_health = freeze(round_.id, [c for n, c in round_.commitments.items() if n != "health"],
                            lab.keys["coordinator"])
    shown = dict.fromkeys(lab.nodes, frozen) | {"tax": without_health}
    opened = {name: lab.nodes[name].session.reveal(roster) for name, roster in shown.items()}
    refused_as(Refusal.EQUIVOCATION, lambda: round_.reveal(opened["tax"]), "another roster")
    parts = {n: ciphertexts.from_bytes(r.body.ciphertexts, 1, lab.dealt.public) for n, r in opened.items()}
    products = ciphertexts.to_bytes(ciphertexts.multiply(parts, lab.dealt.public), lab.dealt.public)
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), products, [opened[n] for n in sorted(opened)])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "another roster")


def test_a_roster_without_our_own_commitment_is_not_revealed_to(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    commitments = {name: lab.commit(name, announcement) for name in lab.nodes}
    without = [c for n, c in commitments.items() if n != "tax"]
    roster = freeze(commitments["tax"].body.round, without, lab.keys["coordinator"])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.nodes["tax"].session.reveal(roster), "does not hold")


# A hostile department uses a colleague's ciphertexts


def hostile(lab: Lab, announcement: round_pb2.SignedAnnouncement, name: str,
            make: Callable[[round_pb2.CommitmentBody], Sealed]) -> tuple[round_pb2.Commitment, Sealed]:
    """A commitment of department *name* over contents of its own choice, with a true reservation."""
    session, ledger = lab.nodes[name].session, lab.nodes[name].ledger
    decision = session.decide(announcement, lab.now)
    clear = session.reserve(decision)
    links = ledger.links(0, decision.round)
    clear = clear_fields(lab.federation, announcement, name, links, decision.grant)
    sealed = make(clear)
    commitment = commit(clear, seal(clear, sealed.salt, sealed.ciphertexts, sealed.proof), lab.keys[name])
    return commitment, sealed


def reveal_with(lab: Lab, make: Callable[[round_pb2.CommitmentBody, round_pb2.Reveal], Sealed],
                victim_first: bool = True) -> Callable[[], object]:
    """A round in which `tax` commits what *make* builds from the honest reveal of `north` in an old round."""
    old = lab.play()
    stolen = {r.body.node: r for r in old.evidence.reveals}["north"]
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in ("health", "north"):
        round_.commit(lab.commit(name, announcement))
    commitment, sealed = hostile(lab, announcement, "tax", lambda clear: make(clear, stolen))
    round_.commit(commitment)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    opened = reveals.reveal(frozen, "tax", sealed.salt, sealed.ciphertexts, sealed.proof, lab.keys["tax"])
    return lambda: round_.reveal(opened)


def test_a_shifted_copy_of_an_old_ciphertext_is_refused(lab: Lab) -> None:
    public = lab.dealt.public

    def shift(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        [old] = ciphertexts.from_bytes(stolen.body.ciphertexts, 1, public)
        shifted = old * (1 + 12345 * public.modulus) % public.modulus_squared
        return Sealed(b"s" * 32, ciphertexts.to_bytes([int(shifted)], public), stolen.body.proof)

    refused_as(Refusal.BAD_PROOF, reveal_with(lab, shift), "tax")


def test_an_old_ciphertext_with_its_own_old_proof_is_refused(lab: Lab) -> None:
    def replay(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        return Sealed(b"s" * 32, stolen.body.ciphertexts, stolen.body.proof)

    refused_as(Refusal.BAD_PROOF, reveal_with(lab, replay), "tax")


def test_an_inverse_product_is_refused(lab: Lab) -> None:
    public = lab.dealt.public

    def invert(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        [old] = ciphertexts.from_bytes(stolen.body.ciphertexts, 1, public)
        inverse = int(gmpy2.invert(old, public.modulus_squared))
        return Sealed(b"s" * 32, ciphertexts.to_bytes([inverse], public), stolen.body.proof)

    refused_as(Refusal.BAD_PROOF, reveal_with(lab, invert), "tax")


def test_a_proof_for_other_clear_fields_is_refused(lab: Lab) -> None:
    """The attacker knows its plaintext; only the binding to the clear fields is wrong."""
    public = lab.dealt.public

    def unbound(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        encryption = lab.encryptor.encrypt([7])
        other = copy.deepcopy(clear)
        other.round = stolen.body.round
        proof = plaintext_proof.prove(public, proof_context(other), encryption.ciphertexts, [7],
                                      encryption.randomness)
        data = ciphertexts.to_bytes(encryption.ciphertexts, public)
        return Sealed(b"s" * 32, data, plaintext_message(proof))

    refused_as(Refusal.BAD_PROOF, reveal_with(lab, unbound), "tax")


def test_a_copied_commitment_is_refused_and_cannot_be_opened(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in ("health", "north"):
        round_.commit(lab.commit(name, announcement))
    copied = round_.commitments["north"].body.sealed
    clear = lab.nodes["tax"].session.reserve(lab.nodes["tax"].session.decide(announcement, lab.now))
    round_.commit(commit(clear, copied, lab.keys["tax"]))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    refused_as(Refusal.EQUIVOCATION, lambda: lab.nodes["north"].session.reveal(frozen), "tax copied")


def test_a_reveal_that_does_not_open_its_commitment_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    honest = lab.nodes["tax"].session.reveal(frozen).body
    other = reveals.reveal(frozen, "tax", b"x" * 32, honest.ciphertexts, honest.proof, lab.keys["tax"])
    refused_as(Refusal.BAD_PROOF, lambda: round_.reveal(other), "not what it committed")


def test_a_commitment_signed_by_a_colleague_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    body = lab.commit("tax", announcement).body
    forged = round_pb2.Commitment(body=body, signature=sign(lab.keys["north"], "commitment", body))
    refused_as(Refusal.CREDENTIALS, lambda: round_.commit(forged))


# Replays


def test_a_replayed_envelope_is_refused_by_nodes_and_key_holders(lab: Lab) -> None:
    envelope = lab.envelope()
    first = lab.play(envelope)
    lab.decrypt("holder-1", first.evidence)
    again = lab.announce(envelope)
    refused_as(Refusal.REPLAYED, lambda: lab.commit("tax", again))
    # Were the nodes to agree, key holders still would not.
    for node in lab.nodes.values():
        node.session._rounds = type(node.session._rounds)(lab.folder / node.session.name / "forgotten.db")
    second = lab.play(envelope)
    refused_as(Refusal.REPLAYED, lambda: lab.decrypt("holder-1", second.evidence))


def test_a_decryption_asked_twice_gives_the_same_bytes_or_nothing(lab: Lab) -> None:
    played = lab.play()
    first = lab.decrypt("holder-1", played.evidence)
    assert lab.decrypt("holder-1", played.evidence) == first
    session = lab.holders["holder-1"].session
    examined = session.examine(played.evidence)
    examined.transcript.product = bytes(32)
    refused_as(Refusal.REPLAYED, lambda: session.decrypt(examined))


def test_an_expired_question_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    session = lab.nodes["tax"].session
    refused_as(Refusal.CLOCK_SKEW, lambda: session.decide(announcement, lab.now + 120_000))
    refused_as(Refusal.CLOCK_SKEW, lambda: session.decide(announcement, lab.now - 6_000))
    envelope = lab.envelope()
    lab.now += 61_000
    refused_as(Refusal.EXPIRED, lambda: lab.commit("tax", lab.announce(envelope)))


# Altered questions, plans and keys


def resigned(lab: Lab, alter: Callable[[round_pb2.Announcement], object]) -> round_pb2.SignedAnnouncement:
    """An announcement that the coordinator altered and signed again."""
    body = copy.deepcopy(lab.announce().body)
    alter(body)
    return round_pb2.SignedAnnouncement(
        body=body, signature=sign(lab.keys["coordinator"], "announcement", body))


def less_noise(body: round_pb2.Announcement) -> None:
    body.plan.blocks[0].scale.exponent -= 1


ALTERATIONS: dict[str, tuple[Refusal, Callable[[round_pb2.Announcement], object]]] = {
    "less noise": (Refusal.PLAN_MISMATCH, less_noise),
    "a lower price": (Refusal.PLAN_MISMATCH, lambda b: setattr(b.plan, "pico_rho", 1)),
    "a lower minimum": (Refusal.PLAN_MISMATCH, lambda b: setattr(b.plan, "minimum", 1)),
    "wider slots": (Refusal.PLAN_MISMATCH,
                    lambda b: setattr(b.plan.packing, "slot_bits", b.plan.packing.slot_bits + 1)),
    "an earlier answer": (Refusal.PLAN_MISMATCH, lambda b: setattr(b.plan, "answer_ms", 1)),
    "another key": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "public_key", bytes(32))),
    "another key epoch, hence another h_s": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "key_epoch", 2)),
    "another catalog": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "catalog", bytes(32))),
    "another roster": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "roster", bytes(32))),
    "another vintage": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "vintage", "2")),
    "another protocol": (Refusal.PROTOCOL_VERSION, lambda b: setattr(b, "version", 2)),
    "another question": (Refusal.CREDENTIALS,
                         lambda b: b.envelope.body.query.statistics.append(
                             b.envelope.body.query.statistics[0])),
    "another purpose": (Refusal.CREDENTIALS, lambda b: setattr(b.envelope.body, "purpose", "marketing")),
    "a participant twice": (Refusal.MALFORMED, lambda b: b.participants.append("tax")),
    "a minted department": (Refusal.MALFORMED, lambda b: b.participants.append("zoo")),
    "an endless deadline": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "deadline_ms", b.deadline_ms * 2)),
    "an endless round": (Refusal.PLAN_MISMATCH, lambda b: setattr(b, "expires_ms", b.expires_ms + 10**9)),
    "no nonce": (Refusal.MALFORMED, lambda b: setattr(b, "nonce", b"")),
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_altered_announcement_is_refused(lab: Lab, what: str) -> None:
    refusal, alter = ALTERATIONS[what]
    refused_as(refusal, lambda: lab.commit("tax", resigned(lab, alter)))


def test_an_announcement_of_somebody_else_is_refused(lab: Lab) -> None:
    body = lab.announce().body
    forged = round_pb2.SignedAnnouncement(body=body, signature=sign(lab.keys["eve"], "announcement", body))
    refused_as(Refusal.CREDENTIALS, lambda: lab.commit("tax", forged))


def test_a_question_in_another_analysts_name_is_refused(lab: Lab) -> None:
    forged = lab.envelope(analyst="ada", signer="eve")
    priced = lab.federation.price(forged.body.query)
    announced = announce(lab.federation, forged, priced, list(lab.nodes), b"n" * 16, lab.now,
                         lab.keys["coordinator"])
    refused_as(Refusal.CREDENTIALS, lambda: lab.commit("tax", announced))


def test_a_grant_that_the_department_did_not_sign_is_refused_by_everybody(lab: Lab) -> None:
    session = lab.nodes["tax"].session
    forged = lab.grant("tax", "eve")
    forged.signature = sign(lab.keys["eve"], "grant", forged.body)
    session._grants = [forged]
    envelope = lab.envelope(analyst="eve")
    refused_as(Refusal.CREDENTIALS, lambda: lab.commit("tax", lab.announce(envelope)))


# Key holders


def test_a_wrong_partial_decryption_is_refused_and_names_its_holder(lab: Lab) -> None:
    played = lab.play()
    honest = lab.decrypt("holder-1", played.evidence)
    public = lab.dealt.public
    [value] = ciphertexts.from_bytes(honest.body.partials, 1, public)
    wrong = round_pb2.Partial()
    wrong.CopyFrom(honest)
    wrong.body.partials = ciphertexts.to_bytes(
        [int(value * (1 + public.modulus) % public.modulus_squared)], public)
    wrong.signature = sign(lab.keys["holder-1"], "partial", wrong.body)
    refused_as(Refusal.BAD_PROOF, lambda: played.round.partial(wrong), "holder-1")


def test_a_partial_under_a_colleagues_share_is_refused(lab: Lab) -> None:
    played = lab.play()
    stolen = round_pb2.Partial()
    stolen.CopyFrom(lab.decrypt("holder-1", played.evidence))
    stolen.body.key_holder = "holder-2"
    stolen.signature = sign(lab.keys["holder-2"], "partial", stolen.body)
    refused_as(Refusal.BAD_PROOF, lambda: played.round.partial(stolen), "not its own")


# The log


def test_a_round_without_a_quorum_of_witnesses_is_not_decrypted(lab: Lab) -> None:
    played = lab.play()
    del played.evidence.checkpoint.cosignatures[4:]
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence))


def test_cosignatures_of_one_witness_count_once(lab: Lab) -> None:
    played = lab.play()
    one = played.evidence.checkpoint.cosignatures[0]
    del played.evidence.checkpoint.cosignatures[:]
    played.evidence.checkpoint.cosignatures.extend([one] * 6)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence))


def test_a_round_that_the_witnessed_log_does_not_hold_is_not_decrypted(lab: Lab) -> None:
    round_ = committed(lab)
    witnessed = lab.witness()
    index = lab.log(log_pb2.LogEntry(transcript=round_.combine()))
    lab.witness()
    evidence = work_pb2.Evidence(
        announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=witnessed,
        reveals=[round_.reveals[n] for n in round_.members])
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence), "does not hold")


def test_a_log_that_forks_is_not_cosigned(lab: Lab) -> None:
    lab.play()
    session, followers = lab.holders["holder-1"].session, lab.holders["holder-1"].followers
    size = session.follower.size
    words = lab.checkpoint(size).text.replace("lab\n", "lab\n", 1).split("\n")
    words[2] = "A" * 43 + "="
    forged = log_pb2.Checkpoint(text="\n".join(words))
    forged.signature = lab.keys["coordinator"].sign(forged.text.encode())
    refused_as(Refusal.EQUIVOCATION, lambda: followers.extend(session.follower, size, [], forged))


def test_a_dead_round_is_not_decrypted(lab: Lab) -> None:
    played = lab.play()
    lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=played.round.id, reason="WITHHELD")))
    played.evidence.checkpoint.CopyFrom(lab.witness())
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.decrypt("holder-1", played.evidence), "dead")


def test_a_second_transcript_for_a_round_is_not_decrypted(lab: Lab) -> None:
    """The first leaf counts: a coordinator that logs nonsense first can never have the round opened."""
    round_ = committed(lab)
    everybody = [round_.reveals[n] for n in round_.members]
    relog(lab, Played(round_, work_pb2.Evidence()), b"nonsense", everybody)
    evidence = lab.evidence(round_)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", evidence))


def unlogged(lab: Lab, leaf: Callable[[round_pb2.SignedFrozenRoster], log_pb2.RosterLeaf | None]) -> Played:
    """A round whose roster leaf the coordinator altered, or left out."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    logged = leaf(frozen)
    if logged is not None:
        lab.log(log_pb2.LogEntry(roster=logged))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen))
    return Played(round_, lab.evidence(round_))


def test_a_round_whose_roster_is_not_logged_is_not_decrypted(lab: Lab) -> None:
    played = unlogged(lab, lambda frozen: None)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence), "frozen roster")


def test_a_ledger_link_that_the_log_leaves_out_stops_the_round(lab: Lab) -> None:
    def without_tax(frozen: round_pb2.SignedFrozenRoster) -> log_pb2.RosterLeaf:
        leaf = reveals.roster_leaf(frozen)
        kept = [ledger for ledger in leaf.ledgers if ledger.node != "tax"]
        del leaf.ledgers[:]
        leaf.ledgers.extend(kept)
        return leaf

    played = unlogged(lab, without_tax)
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", played.evidence), "tax")


# Ledgers


def test_a_ledger_restored_from_a_backup_stops_its_node(lab: Lab) -> None:
    lab.play()
    lab.witness()
    restored = lab.department("tax", state="backup")  # an older copy: it lacks what was logged
    restored.followers.extend(restored.session.follower, 0, lab.audit.entries(0, lab.audit.size),
                              lab.checkpoint())
    refused_as(Refusal.STEPPED_BACK, lambda: restored.session.decide(lab.announce(), lab.now))


@pytest.mark.parametrize("state", ["backup"])
def test_a_ledger_that_forks_is_refused_by_key_holders(lab: Lab, state: str) -> None:
    lab.play()
    lab.nodes["tax"] = lab.department("tax", state=state)  # it follows a log without its own past
    announcement = lab.announce(lab.envelope(count_by_sex("0.25")))
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    lab.log(log_pb2.LogEntry(roster=reveals.roster_leaf(frozen)))
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen))
    evidence = lab.evidence(round_)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "tax")


def test_a_reservation_of_another_round_does_not_pay(lab: Lab) -> None:
    announcement = lab.announce()
    session, ledger = lab.nodes["tax"].session, lab.nodes["tax"].ledger
    decision = session.decide(announcement, lab.now)
    ledger.reserve(b"another round".ljust(32), "residents", decision.priced.plan.pico_rho)
    clear = clear_fields(lab.federation, announcement, "tax",
                         ledger.links(0, b"another round".ljust(32)), decision.grant)
    round_ = Round(lab.federation, announcement)
    refused_as(Refusal.PLAN_MISMATCH,
               lambda: round_.commit(commit(clear, b"s" * 32, lab.keys["tax"])), "does not reserve")
