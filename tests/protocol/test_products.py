"""A coordinator that works on products, and key holders whose memory was put back."""

from collections.abc import Callable

import pytest

from cotally.server.crypto import plaintext_proof
from cotally.server.keyholder.decryptions import Decryptions
from cotally.server.protocol.commitment import proof_context
from cotally.server.wire.proofs import plaintext_message
from cotally.v1 import log_pb2, work_pb2
from cotally.v1.refusals import Refusal
from tests.protocol.lab import Lab, Played
from tests.protocol.planting import committed, refused_as, relog

Change = Callable[[int, int], int]  # product, modulus -> product

CHANGES: dict[str, Change] = {
    "shifted by a number it chose": lambda c, n: c * (1 + 12345 * n) % n**2,
    "blinded by fresh randomness": lambda c, n: c * pow(98765, n, n**2) % n**2,
    "inverted": lambda c, n: pow(c, -1, n**2),
    "negated": lambda c, n: n**2 - c,
    "raised": lambda c, n: pow(c, 3, n**2),
    "replaced by an encryption of nothing": lambda c, n: 1,
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_product_that_the_coordinator_worked_on_is_not_decrypted(lab: Lab, how: str) -> None:
    """A second decryption of related ciphertexts would cancel noise; a blinded one hides whose it is."""
    round_ = committed(lab)
    round_.combine()
    modulus, width = lab.dealt.public.modulus, lab.dealt.public.ciphertext_bytes
    numbers = [int.from_bytes(round_.products[at:at + width], "big")
               for at in range(0, len(round_.products), width)]
    changed = b"".join(CHANGES[how](number, modulus).to_bytes(width, "big") for number in numbers)
    everybody = [round_.reveals[name] for name in round_.members]
    evidence = relog(lab, Played(round_, work_pb2.Evidence()), changed, everybody)
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", evidence), "our own recomputation")


def test_a_proof_does_not_serve_for_a_blinded_copy(lab: Lab) -> None:
    """A colleague's ciphertexts under fresh randomness are not the thief's to prove."""
    round_ = committed(lab)
    opened, commitment = round_.reveals["north"].body, round_.commitments["north"].body
    proof = plaintext_proof.PlaintextProof(
        *(int.from_bytes(part, "big") for part in (
            opened.proof.commitment, opened.proof.plaintext, opened.proof.randomness)))
    assert plaintext_message(proof) == opened.proof
    public, context = lab.dealt.public, proof_context(commitment)
    plaintext_proof.verify(public, context, opened.ciphertexts, proof)
    square = public.modulus**2
    first = int.from_bytes(opened.ciphertexts[:public.ciphertext_bytes], "big")
    blinded = (first * pow(public.generator, 7, square) % square).to_bytes(public.ciphertext_bytes, "big")
    copy = blinded + opened.ciphertexts[public.ciphertext_bytes:]
    refused_as(Refusal.BAD_PROOF, lambda: plaintext_proof.verify(public, context, copy, proof))


def forget_decryptions(lab: Lab, name: str) -> None:
    """Put a key holder's memory of decryptions back to its beginning, as a restored backup would."""
    folder = lab.folder / name
    for path in folder.glob("decryptions.db*"):
        path.unlink()
    lab.holders[name].session._decryptions = Decryptions(folder / "decryptions.db")


def test_a_restored_key_holder_decrypts_no_second_transcript(lab: Lab) -> None:
    """What it forgot, the log knows: a round has one transcript, the first."""
    played = lab.play()
    round_ = played.round
    lab.decrypt("holder-1", played.evidence)
    forget_decryptions(lab, "holder-1")
    public = lab.dealt.public
    scaled = public.ring.multiply(round_.products, round_.products)
    again = relog(lab, played, scaled, [round_.reveals[name] for name in round_.members])
    refused_as(Refusal.NOT_WITNESSED, lambda: lab.decrypt("holder-1", again), "transcript")
    lab.decrypt("holder-1", played.evidence)  # the same transcript tells what it told before


def test_a_restored_key_holder_still_keeps_a_dead_round_closed(lab: Lab) -> None:
    """It forgot its word; that the round is dead stands in the log that it folded."""
    played = lab.play()
    lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=played.round.id, reason="WITHHELD")))
    lab.witness()
    lab.holders["holder-1"].session.void(played.round.id)
    forget_decryptions(lab, "holder-1")
    refused_as(Refusal.OUT_OF_ORDER, lambda: lab.decrypt("holder-1", played.evidence), "dead")


def test_entries_that_are_withheld_from_a_key_holder_stop_it(lab: Lab) -> None:
    """The coordinator shows a checkpoint that the others cosigned, and keeps from one what lies under it."""
    played = lab.play()
    kept_back = lab.holders.pop("holder-1")
    lab.log(log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=b"r" * 32, reason="WITHHELD")))
    played.evidence.checkpoint.CopyFrom(lab.witness())
    lab.holders["holder-1"] = kept_back
    refused_as(Refusal.EQUIVOCATION, lambda: lab.decrypt("holder-1", played.evidence), "that we folded")
    shown = lab.audit.entries(kept_back.session.follower.size + 1, lab.audit.size)
    refused_as(Refusal.OUT_OF_ORDER, lambda: kept_back.followers.extend(
        kept_back.session.follower, kept_back.session.follower.size + 1, shown, lab.checkpoint()))
