"""The proof of plaintext knowledge accepts its own statement and nothing made from it."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto import plaintext_proof
from cotally.server.crypto.paillier import Encryption, Encryptor
from cotally.server.crypto.plaintext_proof import PlaintextProof, prove, verify
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import full_dealt, small_dealt

PUBLIC = small_dealt().public
N, SQUARE = PUBLIC.modulus, PUBLIC.modulus_squared
PLAINTEXTS = [3, N - 1, 1 << 1000, 0]
CONTEXT = b"round and clear fields"


@pytest.fixture(scope="module")
def made() -> tuple[Encryption, PlaintextProof]:
    encryption = Encryptor(PUBLIC).encrypt(PLAINTEXTS)
    return encryption, prove(PUBLIC, CONTEXT, encryption.ciphertexts, PLAINTEXTS, encryption.randomness)


def refused(context: bytes, ciphertexts: tuple[int, ...], proof: PlaintextProof) -> Refusal:
    with pytest.raises(Refused) as caught:
        verify(PUBLIC, context, ciphertexts, proof)
    return caught.value.refusal


def test_an_honest_proof_verifies(made: tuple[Encryption, PlaintextProof]) -> None:
    verify(PUBLIC, CONTEXT, made[0].ciphertexts, made[1])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(-(1 << 1100), 1 << 1100), min_size=1, max_size=5))
def test_any_plaintexts_can_be_proved_out_of_range_ones_included(plaintexts: list[int]) -> None:
    encryption = Encryptor(PUBLIC).encrypt(plaintexts)
    proof = prove(PUBLIC, b"", encryption.ciphertexts, plaintexts, encryption.randomness)
    verify(PUBLIC, b"", encryption.ciphertexts, proof)


def test_a_key_of_2048_bits_works_too() -> None:
    public = full_dealt().public
    encryption = Encryptor(public).encrypt([1, 2])
    proof = prove(public, CONTEXT, encryption.ciphertexts, [1, 2], encryption.randomness)
    verify(public, CONTEXT, encryption.ciphertexts, proof)
    with pytest.raises(Refused):
        verify(public, b"", encryption.ciphertexts, proof)


def test_a_copy_under_another_context_is_refused(made: tuple[Encryption, PlaintextProof]) -> None:
    assert refused(b"another node", made[0].ciphertexts, made[1]) is Refusal.BAD_PROOF


@pytest.mark.parametrize("attack", [
    lambda c: (c[0] * (1 + N) % SQUARE, *c[1:]),  # plaintext shifted by one
    lambda c: (c[0] * pow(PUBLIC.generator, 99, SQUARE) % SQUARE, *c[1:]),  # same plaintext, new look
    lambda c: tuple(pow(x, -1, SQUARE) for x in c),  # cancels the original
    lambda c: tuple(SQUARE - x for x in c),  # negated: the squares are equal
    lambda c: (SQUARE - c[0], *c[1:]),
    lambda c: (c[1], c[0], *c[2:]),
    lambda c: c[:-1],
    lambda c: (*c, c[0]),
    lambda c: (*c, 1),
])
def test_ciphertexts_made_from_a_colleagues_are_refused(attack: object,
                                                        made: tuple[Encryption, PlaintextProof]) -> None:
    assert callable(attack)
    assert refused(CONTEXT, attack(made[0].ciphertexts), made[1]) is Refusal.BAD_PROOF


def test_a_proof_adapted_to_a_known_shift_is_refused(made: tuple[Encryption, PlaintextProof]) -> None:
    """The hostile node knows the shift and answers for it, but not for the colleague's part."""
    shifted = (made[0].ciphertexts[0] * (1 + 5 * N) % SQUARE, *made[0].ciphertexts[1:])
    w, product = plaintext_proof.aggregate(PUBLIC, CONTEXT, shifted)
    e = plaintext_proof.derive_challenge(PUBLIC, CONTEXT, product, made[1].commitment)
    adapted = dataclasses.replace(made[1], plaintext=(made[1].plaintext + e * w[0] * 5) % N)
    assert refused(CONTEXT, shifted, adapted) is Refusal.BAD_PROOF


@pytest.mark.parametrize("change", [
    {"commitment": 0}, {"commitment": SQUARE}, {"commitment": -1}, {"commitment": N}, {"commitment": 1},
    {"plaintext": N}, {"plaintext": -1}, {"plaintext": 0}, {"randomness": -1}, {"randomness": 0},
    {"randomness": 1 << plaintext_proof.nonce_bits(PUBLIC, 4) + 1},
])
def test_answers_out_of_range_or_changed_are_refused(change: dict[str, int],
                                                     made: tuple[Encryption, PlaintextProof]) -> None:
    assert refused(CONTEXT, made[0].ciphertexts, dataclasses.replace(made[1], **change)) is Refusal.BAD_PROOF


def by_hand(encryption: Encryption, nonce: int, commitment_offset: int,
            plaintext_offset: int) -> PlaintextProof:
    """A proof whose equation holds, with a chosen nonce and members outside their ranges."""
    w, product = plaintext_proof.aggregate(PUBLIC, CONTEXT, encryption.ciphertexts)
    commitment = (1 + 5 * N) * pow(PUBLIC.generator, nonce, SQUARE) % SQUARE + commitment_offset
    e = plaintext_proof.derive_challenge(PUBLIC, CONTEXT, product, commitment)
    return PlaintextProof(
        commitment,
        (5 + e * sum(a * m for a, m in zip(w, PLAINTEXTS, strict=True))) % N + plaintext_offset,
        nonce + e * sum(a * r for a, r in zip(w, encryption.randomness, strict=True)))


@pytest.mark.parametrize(("nonce", "commitment", "plaintext"), [
    (1 << plaintext_proof.nonce_bits(PUBLIC, 4) + 1, 0, 0), (7, SQUARE, 0), (7, 0, N)])
def test_a_proof_outside_its_ranges_is_refused_though_its_equation_holds(
        nonce: int, commitment: int, plaintext: int, made: tuple[Encryption, PlaintextProof]) -> None:
    verify(PUBLIC, CONTEXT, made[0].ciphertexts, by_hand(made[0], 7, 0, 0))
    proof = by_hand(made[0], nonce, commitment, plaintext)
    assert refused(CONTEXT, made[0].ciphertexts, proof) is Refusal.BAD_PROOF


def test_no_ciphertexts_prove_nothing(made: tuple[Encryption, PlaintextProof]) -> None:
    empty = prove(PUBLIC, CONTEXT, (), [], [])
    assert refused(CONTEXT, (), empty) is Refusal.BAD_PROOF


def test_a_ciphertext_that_is_no_unit_is_refused() -> None:
    proof = prove(PUBLIC, CONTEXT, (N,), [0], [0])
    assert refused(CONTEXT, (N,), proof) is Refusal.BAD_PROOF
    assert refused(CONTEXT, (0,), proof) is Refusal.MALFORMED


def test_the_nonce_outgrows_what_it_hides_by_256_bits() -> None:
    count, longest = 9, (1 << 128) - 1
    witness = longest * count * longest * ((1 << PUBLIC.randomness_bits) - 1)
    assert plaintext_proof.nonce_bits(PUBLIC, count) >= witness.bit_length() + 256
