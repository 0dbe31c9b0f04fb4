"""The proof of plaintext knowledge accepts its own statement and nothing made from it, in every mode."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto import plaintext_proof
from cotally.server.crypto.keys import PublicKey
from cotally.server.crypto.paillier import Encrypted, Encryptor
from cotally.server.crypto.plaintext_proof import PlaintextProof, prove, verify
from cotally.server.crypto.tables import mask_nonce_bits
from cotally.server.model.encryption import Encryption
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import P_512, small_dealt

KEYS = {mode: dataclasses.replace(small_dealt().public, encryption=mode) for mode in Encryption}
PUBLIC = KEYS[Encryption.DJN]
N, SQUARE = PUBLIC.modulus, PUBLIC.modulus_squared
PLAINTEXTS = [3, N - 1, 1 << 1000, 0]
CONTEXT = b"round and clear fields"
Numbers = list[int]


@dataclasses.dataclass(frozen=True)
class Made:
    """Ciphertexts and their honest proof under one mode."""

    public: PublicKey
    encrypted: Encrypted
    proof: PlaintextProof

    @property
    def numbers(self) -> Numbers:
        return self.public.ring.numbers(self.encrypted.ciphertexts)

    def refused(self, context: bytes, numbers: Numbers, proof: PlaintextProof) -> Refusal:
        vector = b"".join(number.to_bytes(self.public.ciphertext_bytes, "big") for number in numbers)
        with pytest.raises(Refused) as caught:
            verify(self.public, context, vector, proof)
        return caught.value.refusal


def make(public: PublicKey) -> Made:
    encrypted = Encryptor(public).encrypt(PLAINTEXTS)
    return Made(public, encrypted,
                prove(public, CONTEXT, encrypted.ciphertexts, PLAINTEXTS, encrypted.randomness))


@pytest.fixture(scope="module", params=Encryption, ids=lambda mode: mode.spelling)
def made(request: pytest.FixtureRequest) -> Made:
    return make(KEYS[request.param])


@pytest.fixture(scope="module")
def djn() -> Made:
    return make(PUBLIC)


@pytest.fixture(scope="module")
def textbook() -> Made:
    return make(KEYS[Encryption.TEXTBOOK])


def test_an_honest_proof_verifies(made: Made) -> None:
    verify(made.public, CONTEXT, made.encrypted.ciphertexts, made.proof)


@pytest.mark.parametrize("mode", Encryption)
def test_any_plaintexts_can_be_proved_out_of_range_ones_included(mode: Encryption) -> None:
    @settings(max_examples=8, deadline=None)
    @given(st.lists(st.integers(-(1 << 1100), 1 << 1100), min_size=1, max_size=5))
    def check(plaintexts: list[int]) -> None:
        encrypted = Encryptor(KEYS[mode]).encrypt(plaintexts)
        proof = prove(KEYS[mode], b"", encrypted.ciphertexts, plaintexts, encrypted.randomness)
        verify(KEYS[mode], b"", encrypted.ciphertexts, proof)
    check()


def test_a_copy_under_another_context_is_refused(made: Made) -> None:
    assert made.refused(b"another node", made.numbers, made.proof) is Refusal.BAD_PROOF


def test_a_proof_made_in_another_mode_is_refused(djn: Made) -> None:
    """DJN's ciphertexts and answers fit under SHORT's equation; only the hashed statement differs."""
    assert dataclasses.replace(djn, public=KEYS[Encryption.SHORT]).refused(
        CONTEXT, djn.numbers, djn.proof) is Refusal.BAD_PROOF


def test_weights_and_challenges_depend_on_the_mode(djn: Made) -> None:
    vector = djn.encrypted.ciphertexts
    hashed = [plaintext_proof.aggregate(key, CONTEXT, vector)[0][0] for key in KEYS.values()]
    hashed += [plaintext_proof.derive_challenge(key, CONTEXT, 5, 7) for key in KEYS.values()]
    assert len(set(hashed)) == 2 * len(Encryption)


@pytest.mark.parametrize("attack", [
    lambda c: [c[0] * (1 + N) % SQUARE, *c[1:]],  # plaintext shifted by one
    lambda c: [c[0] * pow(PUBLIC.generator, 99, SQUARE) % SQUARE, *c[1:]],  # same plaintext, new look
    lambda c: [pow(x, -1, SQUARE) for x in c],  # cancels the original
    lambda c: [SQUARE - x for x in c],  # negated: the squares are equal
    lambda c: [SQUARE - c[0], *c[1:]],
    lambda c: [c[1], c[0], *c[2:]],
    lambda c: c[:-1],
    lambda c: [*c, c[0]],
    lambda c: [*c, 1],
])
def test_ciphertexts_made_from_a_colleagues_are_refused(attack: Callable[[Numbers], Numbers],
                                                        made: Made) -> None:
    assert made.refused(CONTEXT, attack(made.numbers), made.proof) is Refusal.BAD_PROOF


def test_a_proof_adapted_to_a_known_shift_is_refused(made: Made) -> None:
    """The hostile node knows the shift and answers for it, but not for the colleague's part."""
    shifted = [made.numbers[0] * (1 + 5 * N) % SQUARE, *made.numbers[1:]]
    w, product = plaintext_proof.aggregate(made.public, CONTEXT, made.public.ring.vector(shifted))
    e = plaintext_proof.derive_challenge(made.public, CONTEXT, product, made.proof.commitment)
    adapted = dataclasses.replace(made.proof, plaintext=(made.proof.plaintext + e * w[0] * 5) % N)
    assert made.refused(CONTEXT, shifted, adapted) is Refusal.BAD_PROOF


@pytest.mark.parametrize("change", [
    {"commitment": 0}, {"commitment": SQUARE}, {"commitment": -1}, {"commitment": N}, {"commitment": 1},
    {"commitment": P_512}, {"plaintext": N}, {"plaintext": -1}, {"plaintext": 0}, {"randomness": -1},
    {"randomness": 0}, {"randomness": 1 << mask_nonce_bits(PUBLIC) + 1}, {"randomness": P_512},
    {"randomness": N},
])
def test_answers_out_of_range_or_changed_are_refused(change: dict[str, int], made: Made) -> None:
    assert made.refused(CONTEXT, made.numbers, dataclasses.replace(made.proof, **change)) is Refusal.BAD_PROOF


def by_hand(made: Made, nonce: int, commitment_offset: int, plaintext_offset: int,
            randomness_offset: int = 0) -> PlaintextProof:
    """A proof whose equation holds, with a chosen nonce and members outside their ranges."""
    public = made.public
    w, product = plaintext_proof.aggregate(public, CONTEXT, made.encrypted.ciphertexts)
    if public.encryption is Encryption.TEXTBOOK:
        commitment = (1 + 5 * N) * pow(nonce, N, SQUARE) % SQUARE + commitment_offset
    else:
        commitment = (1 + 5 * N) * pow(public.generator, nonce, SQUARE) % SQUARE + commitment_offset
    e = plaintext_proof.derive_challenge(public, CONTEXT, product, commitment)
    answer = nonce + e * sum(a * r for a, r in zip(w, made.encrypted.randomness, strict=True))
    if public.encryption is Encryption.TEXTBOOK:
        answer = nonce
        for a, r in zip(w, made.encrypted.randomness, strict=True):
            answer = answer * pow(r, e * a, N) % N
    return PlaintextProof(
        commitment, (5 + e * sum(a * m for a, m in zip(w, PLAINTEXTS, strict=True))) % N + plaintext_offset,
        answer + randomness_offset)


@pytest.mark.parametrize(("nonce", "commitment", "plaintext"), [
    (1 << mask_nonce_bits(PUBLIC) + 1, 0, 0), (7, SQUARE, 0), (7, 0, N)])
def test_a_proof_outside_its_ranges_is_refused_though_its_equation_holds(
        nonce: int, commitment: int, plaintext: int, djn: Made) -> None:
    verify(PUBLIC, CONTEXT, djn.encrypted.ciphertexts, by_hand(djn, 7, 0, 0))
    assert djn.refused(CONTEXT, djn.numbers, by_hand(djn, nonce, commitment, plaintext)) is Refusal.BAD_PROOF


@pytest.mark.parametrize(("commitment", "plaintext", "randomness"), [(SQUARE, 0, 0), (0, N, 0), (0, 0, N)])
def test_a_textbook_proof_outside_its_ranges_is_refused_though_its_equation_holds(
        commitment: int, plaintext: int, randomness: int, textbook: Made) -> None:
    verify(textbook.public, CONTEXT, textbook.encrypted.ciphertexts, by_hand(textbook, 7, 0, 0))
    proof = by_hand(textbook, 7, commitment, plaintext, randomness)
    assert textbook.refused(CONTEXT, textbook.numbers, proof) is Refusal.BAD_PROOF


def test_no_ciphertexts_prove_nothing(made: Made) -> None:
    empty = prove(made.public, CONTEXT, b"", [], [])
    assert made.refused(CONTEXT, [], empty) is Refusal.BAD_PROOF


def test_a_ciphertext_that_is_no_unit_is_refused(made: Made) -> None:
    proof = prove(made.public, CONTEXT, PUBLIC.ring.vector([N]), [0], [1])
    assert made.refused(CONTEXT, [N], proof) is Refusal.BAD_PROOF
    assert made.refused(CONTEXT, [0], proof) is Refusal.MALFORMED


def test_a_textbook_ciphertext_masked_by_a_factor_of_the_modulus_is_refused() -> None:
    """Whoever knows p can mask with it: the equation holds, and only the gcd of z_r tells."""
    public = KEYS[Encryption.TEXTBOOK]
    vector = public.ring.vector([(1 + 7 * N) * pow(P_512, N, SQUARE) % SQUARE])
    with pytest.raises(Refused, match="out of range"):
        verify(public, CONTEXT, vector, prove(public, CONTEXT, vector, [7], [P_512]))


def test_a_vector_of_another_width_is_malformed(made: Made) -> None:
    with pytest.raises(Refused) as caught:
        verify(made.public, CONTEXT, made.encrypted.ciphertexts[:-1], made.proof)
    assert caught.value.refusal is Refusal.MALFORMED
