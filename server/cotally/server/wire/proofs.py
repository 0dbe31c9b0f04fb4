"""Zero-knowledge proofs between their messages and their numbers."""

from cotally.server.crypto.equality_proof import EqualityProof
from cotally.server.crypto.plaintext_proof import PlaintextProof
from cotally.v1 import round_pb2

from .numbers import from_bytes, to_bytes


def plaintext_message(proof: PlaintextProof) -> round_pb2.PlaintextProof:
    """The proof of plaintext knowledge as it travels."""
    return round_pb2.PlaintextProof(
        commitment=to_bytes(proof.commitment), plaintext=to_bytes(proof.plaintext),
        randomness=to_bytes(proof.randomness))


def plaintext_proof(message: round_pb2.PlaintextProof) -> PlaintextProof:
    """The proof of plaintext knowledge as it is verified."""
    return PlaintextProof(
        commitment=from_bytes(message.commitment, "a proof's commitment"),
        plaintext=from_bytes(message.plaintext, "a proof's plaintext response"),
        randomness=from_bytes(message.randomness, "a proof's randomness response"))


def equality_message(proof: EqualityProof) -> round_pb2.EqualityProof:
    """The proof of partial decryption as it travels."""
    return round_pb2.EqualityProof(
        on_base=to_bytes(proof.on_base), on_product=to_bytes(proof.on_product),
        response=to_bytes(proof.response))


def equality_proof(message: round_pb2.EqualityProof) -> EqualityProof:
    """The proof of partial decryption as it is verified."""
    return EqualityProof(
        on_base=from_bytes(message.on_base, "a proof's commitment"),
        on_product=from_bytes(message.on_product, "a proof's commitment"),
        response=from_bytes(message.response, "a proof's response"))
