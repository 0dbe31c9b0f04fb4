"""Planted attacks of a hostile department that uses what a colleague revealed."""

import copy

import gmpy2

from cotally.server.coordinator.session import Round
from cotally.server.crypto import plaintext_proof
from cotally.server.node.rounds import Sealed
from cotally.server.protocol import reveal as reveals
from cotally.server.protocol.commitment import commit, proof_context
from cotally.server.wire.proofs import plaintext_message
from cotally.server.wire.signed import sign
from cotally.v1 import round_pb2
from cotally.v1.refusals import Refusal
from tests.protocol.lab import Lab
from tests.protocol.planting import (
    refused_as,
    reveal_with,
)


def test_a_shifted_copy_of_an_old_ciphertext_is_refused(lab: Lab) -> None:
    public = lab.dealt.public

    def shift(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        [old] = public.ring.numbers(stolen.body.ciphertexts)
        shifted = old * (1 + 12345 * public.modulus) % public.modulus_squared
        return Sealed(b"s" * 32, public.ring.vector([shifted]), stolen.body.proof)

    refused_as(Refusal.BAD_PROOF, reveal_with(lab, shift), "tax")


def test_an_old_ciphertext_with_its_own_old_proof_is_refused(lab: Lab) -> None:
    def replay(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        return Sealed(b"s" * 32, stolen.body.ciphertexts, stolen.body.proof)

    refused_as(Refusal.BAD_PROOF, reveal_with(lab, replay), "tax")


def test_an_inverse_product_is_refused(lab: Lab) -> None:
    public = lab.dealt.public

    def invert(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        [old] = public.ring.numbers(stolen.body.ciphertexts)
        inverse = int(gmpy2.invert(old, public.modulus_squared))
        return Sealed(b"s" * 32, public.ring.vector([inverse]), stolen.body.proof)

    refused_as(Refusal.BAD_PROOF, reveal_with(lab, invert), "tax")


def test_a_proof_for_other_clear_fields_is_refused(lab: Lab) -> None:
    """The attacker knows its plaintext; only the binding to the clear fields is wrong."""
    public = lab.dealt.public

    def unbound(clear: round_pb2.CommitmentBody, stolen: round_pb2.Reveal) -> Sealed:
        made = lab.encryptor.encrypt([7])
        other = copy.deepcopy(clear)
        other.round = stolen.body.round
        proof = plaintext_proof.prove(public, proof_context(other), made.ciphertexts, [7], made.randomness)
        return Sealed(b"s" * 32, made.ciphertexts, plaintext_message(proof))

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
    refused_as(Refusal.EQUIVOCATION, lambda: lab.nodes["north"].session.reveal(frozen, lab.now), "tax copied")


def test_a_reveal_that_does_not_open_its_commitment_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    for name in lab.nodes:
        round_.commit(lab.commit(name, announcement))
    frozen = round_.freeze(lab.now, lab.keys["coordinator"])
    honest = lab.nodes["tax"].session.reveal(frozen, lab.now).body
    other = reveals.reveal(frozen, "tax", b"x" * 32, honest.ciphertexts, honest.proof, lab.keys["tax"])
    refused_as(Refusal.BAD_PROOF, lambda: round_.reveal(other), "not what it committed")


def test_a_commitment_signed_by_a_colleague_is_refused(lab: Lab) -> None:
    announcement = lab.announce()
    round_ = Round(lab.federation, announcement)
    body = lab.commit("tax", announcement).body
    forged = round_pb2.Commitment(body=body, signature=sign(lab.keys["north"], "commitment", body))
    refused_as(Refusal.CREDENTIALS, lambda: round_.commit(forged))
