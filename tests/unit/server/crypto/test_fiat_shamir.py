"""Forgeries that work where a challenge or a weight is known before what it has to depend on.

Each forger computes hashes over a statement of his own, as if what he goes on to change were not in them.
"""

import dataclasses

import gmpy2
import pytest

from cotally.server.crypto import equality_proof, plaintext_proof
from cotally.server.crypto.equality_proof import EqualityProof, Prover
from cotally.server.crypto.keys import PublicKey
from cotally.server.crypto.paillier import Encryptor
from cotally.server.crypto.plaintext_proof import PlaintextProof
from cotally.server.model.encryption import Encryption
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import small_dealt

PUBLIC, SHARES = small_dealt().public, small_dealt().shares
N, SQUARE = PUBLIC.modulus, PUBLIC.modulus_squared
CONTEXT = b"round and clear fields"
STOLEN = Encryptor(PUBLIC).encrypt([4711]).ciphertexts  # a colleague's; the forger knows no opening
MODES = [dataclasses.replace(PUBLIC, encryption=mode) for mode in (Encryption.DJN, Encryption.TEXTBOOK)]


def times(public: PublicKey, vector: bytes, base: int, exponents: list[int]) -> bytes:
    """*vector* with each number multiplied by a power of *base*; exponents may be negative."""
    powers = [int(gmpy2.powmod(base, exponent, SQUARE)) for exponent in exponents]
    return public.ring.multiply(vector, public.ring.vector(powers))


@pytest.mark.parametrize("public", MODES, ids=lambda public: public.encryption.spelling)
def test_a_stolen_ciphertext_does_not_cancel_in_the_product(public: PublicKey) -> None:
    """With weights known before the ciphertexts: c^w2 and c^-w1 times fresh ones leave no trace of c."""
    fresh = Encryptor(public).encrypt([1, 2])
    (first, second), _ = plaintext_proof.aggregate(public, CONTEXT, fresh.ciphertexts)
    [stolen] = public.ring.numbers(STOLEN)
    vector = times(public, fresh.ciphertexts, stolen, [second, -first])
    proof = plaintext_proof.prove(public, CONTEXT, vector, [1, 2], fresh.randomness)
    with pytest.raises(Refused) as caught:
        plaintext_proof.verify(public, CONTEXT, vector, proof)
    assert caught.value.refusal is Refusal.BAD_PROOF


@pytest.mark.parametrize("public", MODES, ids=lambda public: public.encryption.spelling)
def test_no_answer_is_chosen_before_its_challenge(public: PublicKey) -> None:
    """With a challenge that does not depend on A: A follows from the answers, and nothing is known."""
    _, product = plaintext_proof.aggregate(public, CONTEXT, STOLEN)
    e = plaintext_proof.derive_challenge(public, CONTEXT, product, 1)
    textbook = public.encryption is Encryption.TEXTBOOK
    mask = pow(7, N, SQUARE) if textbook else pow(public.generator, 7, SQUARE)
    commitment = (1 + 5 * N) * mask * pow(product, -e, SQUARE) % SQUARE
    with pytest.raises(Refused) as caught:
        plaintext_proof.verify(public, CONTEXT, STOLEN, PlaintextProof(commitment, 5, 7))
    assert caught.value.refusal is Refusal.BAD_PROOF


PRODUCTS = Encryptor(PUBLIC).encrypt([1, 2]).ciphertexts
SHIFT = (1 + N) ** 2 % SQUARE  # a square, which adds to a plaintext what combining cannot see


@pytest.mark.parametrize("what", ["partials", "products"])
def test_no_shift_cancels_between_two_partial_decryptions(what: str) -> None:
    """With weights known before them: a key holder, or whoever passes its answer on, shifts two totals."""
    prover = Prover(PUBLIC, SHARES[0], PRODUCTS)
    statement = {"products": PRODUCTS, "partials": prover.partials}
    first, second = equality_proof.derive_weights(PUBLIC, 1, CONTEXT, **statement)
    shifted = statement | {what: times(PUBLIC, statement[what], SHIFT, [second, -first])}
    with pytest.raises(Refused) as caught:
        equality_proof.verify(PUBLIC, 1, CONTEXT, **shifted, proof=prover.prove(CONTEXT))
    assert caught.value.refusal is Refusal.BAD_PROOF


def test_no_partial_decryption_is_answered_for_before_its_challenge() -> None:
    """With a challenge that does not depend on A1 and A2: both follow from an answer, for any partials."""
    partials = times(PUBLIC, Prover(PUBLIC, SHARES[0], PRODUCTS).partials, SHIFT, [1, 2])
    c, p = equality_proof.aggregate(PUBLIC, 1, CONTEXT, PRODUCTS, partials)
    e = equality_proof.derive_challenge(PUBLIC, 1, CONTEXT, c, p, 1, 1)
    proof = EqualityProof(
        pow(PUBLIC.base, 9, SQUARE) * pow(PUBLIC.verification[0], -e, SQUARE) % SQUARE,
        pow(c, 36, SQUARE) * pow(p, -2 * e, SQUARE) % SQUARE, 9)
    with pytest.raises(Refused) as caught:
        equality_proof.verify(PUBLIC, 1, CONTEXT, PRODUCTS, partials, proof)
    assert caught.value.refusal is Refusal.BAD_PROOF
