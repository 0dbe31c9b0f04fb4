"""What an honest coordinator refuses: strangers, second thoughts, and partial decryptions of something else.

None of it is needed for privacy, which rests on nodes and key holders; it keeps rounds alive, and names
whoever would have spoilt them.
"""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from cotally.server.coordinator.session import Round
from cotally.server.protocol.decryption import decrypt_part
from cotally.server.wire.signed import sign
from cotally.v1 import round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused
from tests.protocol.lab import Lab
from tests.protocol.planting import four, refused_as


def test_who_declines_and_then_commits_is_counted_once(lab: Lab) -> None:
    """Or a hostile department would make the roster freeze before an honest one has answered."""
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    round_.decline("tax", Refused(Refusal.INTERNAL, "not yet"))
    for name in ("tax", "north"):
        round_.commit(lab.commit(name, announcement))
    assert not round_.everybody_answered
    refused_as(Refusal.OUT_OF_ORDER, lambda: round_.freeze(lab.now, lab.keys["coordinator"]))
    round_.decline("tax", Refused(Refusal.INTERNAL, "after all not"))
    round_.commit(lab.commit("health", announcement))
    round_.freeze(lab.now, lab.keys["coordinator"])
    assert round_.members == ["health", "north", "tax"]


def test_strangers_can_neither_decline_nor_commit_nor_reveal(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce(participants=["health", "north", "tax"])
    round_ = Round(lab.federation, announcement)
    round_.decline("south", Refused(Refusal.INTERNAL, "no"))
    assert not round_.declined
    commitments = {name: lab.commit(name, announcement) for name in ("health", "north", "tax")}
    body = copy.deepcopy(commitments["tax"].body)
    body.node = "south"
    forged = round_pb2.Commitment(body=body, signature=sign(lab.keys["south"], "commitment", body))
    refused_as(Refusal.NOT_ALLOWED, lambda: round_.commit(forged), "south")
    for commitment in commitments.values():
        round_.commit(commitment)
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    opened = copy.deepcopy(lab.nodes["tax"].session.reveal(frozen, lab.now).body)
    opened.node = "south"
    stranger = round_pb2.Reveal(body=opened, signature=sign(lab.keys["south"], "reveal", opened))
    refused_as(Refusal.NOT_ALLOWED, lambda: round_.reveal(stranger), "south")


def test_a_second_and_different_message_of_a_department_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    refused_as(Refusal.OUT_OF_ORDER, lambda: round_.reveal(round_pb2.Reveal()), "nothing is frozen")
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    other = copy.deepcopy(round_.commitments["tax"])
    other.body.sealed = bytes(32)
    refused_as(Refusal.EQUIVOCATION, lambda: round_.commit(other), "committed twice")
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    for node in lab.nodes.values():
        round_.reveal(node.session.reveal(frozen, lab.now))
    opened = copy.deepcopy(round_.reveals["tax"])
    opened.body.salt = bytes(32)
    refused_as(Refusal.EQUIVOCATION, lambda: round_.reveal(opened), "revealed twice")


def test_a_commitment_after_the_freeze_is_too_late(folder: Path) -> None:
    lab = four(folder)
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    commitments = {name: lab.commit(name, announcement) for name in lab.nodes}
    for name in ("health", "north", "tax"):
        round_.commit(commitments[name])
    round_.freeze(announcement.body.deadline_ms, lab.keys["coordinator"])
    refused_as(Refusal.OUT_OF_ORDER, lambda: round_.commit(commitments["south"]), "too late")


PARTIALS: dict[str, tuple[Refusal, Callable[[round_pb2.PartialBody], object]]] = {
    "of another round": (Refusal.EQUIVOCATION, lambda b: setattr(b, "round", bytes(32))),
    "of another transcript": (Refusal.EQUIVOCATION, lambda b: setattr(b, "transcript", bytes(32))),
    "of another product": (Refusal.EQUIVOCATION, lambda b: setattr(b, "product", bytes(32))),
    "under another share": (Refusal.BAD_PROOF, lambda b: setattr(b, "share", 2)),
    "by nobody we know": (Refusal.CREDENTIALS, lambda b: setattr(b, "key_holder", "zoo")),
    "by a department": (Refusal.CREDENTIALS, lambda b: setattr(b, "key_holder", "tax")),
    "without numbers": (Refusal.MALFORMED, lambda b: setattr(b, "partials", b"")),
    "of nought": (Refusal.MALFORMED, lambda b: setattr(b, "partials", bytes(len(b.partials)))),
    "without a proof": (Refusal.BAD_PROOF, lambda b: b.ClearField("proof")),
}


@pytest.mark.parametrize("what", PARTIALS)
def test_an_altered_partial_decryption_is_refused(lab: Lab, what: str) -> None:
    refusal, alter = PARTIALS[what]
    played = lab.play()
    body = copy.deepcopy(lab.decrypt("holder-1", played.evidence).body)
    alter(body)
    signed = round_pb2.Partial(body=body, signature=sign(lab.keys["holder-1"], "partial", body))
    refused_as(refusal, lambda: played.round.partial(signed))
    assert not played.round.partials


def test_a_partial_decryption_needs_its_holders_signature_and_a_product(lab: Lab) -> None:
    played = lab.play()
    partial = lab.decrypt("holder-1", played.evidence)
    stolen = sign(lab.keys["holder-2"], "partial", partial.body)
    forged = round_pb2.Partial(body=partial.body, signature=stolen)
    refused_as(Refusal.CREDENTIALS, lambda: played.round.partial(forged))
    fresh = Round(lab.federation, played.round.announcement)
    refused_as(Refusal.OUT_OF_ORDER, lambda: fresh.partial(partial), "nothing was combined")
    refused_as(Refusal.OUT_OF_ORDER, fresh.combine, "not every department")


def test_a_partial_of_another_transcript_is_refused_although_its_product_is_the_same(lab: Lab) -> None:
    """Its holder would attest to a roster that is not this round's."""
    played = lab.play()
    made, products = played.round.transcript, played.round.products
    assert made is not None
    other = copy.deepcopy(made)
    other.frozen = bytes(32)
    count = played.round.priced.plan.packing.ciphertexts
    partial = decrypt_part(lab.federation, other, products, count, "holder-1", lab.dealt.shares[0],
                           lab.keys["holder-1"])
    refused_as(Refusal.EQUIVOCATION, lambda: played.round.partial(partial), "holder-1 decrypted another")


def test_a_proof_of_another_transcript_does_not_serve_for_this_one(lab: Lab) -> None:
    """The same product under another transcript: the proof is bound to what was signed with it."""
    played = lab.play()
    made, products = played.round.transcript, played.round.products
    assert made is not None
    count = played.round.priced.plan.packing.ciphertexts
    key, share = lab.keys["holder-1"], lab.dealt.shares[0]
    other = copy.deepcopy(made)
    other.frozen = bytes(32)
    body = copy.deepcopy(decrypt_part(lab.federation, made, products, count, "holder-1", share, key).body)
    replayed = decrypt_part(lab.federation, other, products, count, "holder-1", share, key).body
    body.proof.CopyFrom(replayed.proof)
    moved = round_pb2.Partial(body=body, signature=sign(key, "partial", body))
    refused_as(Refusal.BAD_PROOF, lambda: played.round.partial(moved), "holder-1")


def test_the_log_says_who_asked_whom_for_what_and_at_which_price(lab: Lab) -> None:
    """The filters fold over these fields alone; a field left empty would charge nobody."""
    round_ = lab.play().round
    leaf, plan = round_.combine(), round_.priced.plan
    assert (leaf.round, leaf.analyst, leaf.purpose) == (round_.id, "ada", "statistics")
    assert (leaf.population, leaf.pico_loss) == (plan.population, plan.pico_loss)
    assert round_.transcript is not None and leaf.transcript == digest("transcript", round_.transcript)
