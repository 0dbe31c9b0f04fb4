"""The proof of equal logarithms accepts the published share's answer and no other."""

import dataclasses
from collections.abc import Sequence

import pytest

from cotally.server.crypto import equality_proof, threshold
from cotally.server.crypto.equality_proof import EqualityProof, Prover, verify
from cotally.server.crypto.keys import KeyShare
from cotally.server.crypto.paillier import Encryptor
from cotally.server.crypto.tables import share_nonce_bits
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.keys import P_512, deal_small, small_dealt

PUBLIC, SHARES = small_dealt().public, small_dealt().shares
N, SQUARE = PUBLIC.modulus, PUBLIC.modulus_squared
PRODUCTS = Encryptor(PUBLIC).encrypt([1, 2, 3]).ciphertexts
NUMBERS = PUBLIC.ring.numbers(PRODUCTS)
PROVER = Prover(PUBLIC, SHARES[0], PRODUCTS)
PARTIALS = PUBLIC.ring.numbers(PROVER.partials)
PROOF = PROVER.prove(b"transcript")


def joined(numbers: Sequence[int]) -> bytes:
    """Numbers as a vector, out of range or not."""
    return b"".join(number.to_bytes(PUBLIC.ciphertext_bytes, "big") for number in numbers)


def refusal(index: int = 1, context: bytes = b"transcript", products: Sequence[int] = NUMBERS,
            partials: Sequence[int] = PARTIALS, proof: EqualityProof = PROOF) -> Refusal:
    with pytest.raises(Refused) as caught:
        verify(PUBLIC, index, context, joined(products), joined(partials), proof)
    return caught.value.refusal


def forged(secret: int, partials: Sequence[int], products: Sequence[int] = NUMBERS,
           nonce: int = 1 << share_nonce_bits(PUBLIC) - 1) -> EqualityProof:
    """What a prover with that share would say, whatever the partials are."""
    c, p = equality_proof.aggregate(PUBLIC, 1, b"transcript", joined(products), joined(partials))
    on_base, on_product = pow(PUBLIC.base, nonce, SQUARE), pow(c, 4 * nonce, SQUARE)
    e = equality_proof.derive_challenge(PUBLIC, 1, b"transcript", c, p, on_base, on_product)
    return EqualityProof(on_base, on_product, nonce + e * PUBLIC.delta * secret)


def raised(secret: int, products: Sequence[int] = NUMBERS) -> list[int]:
    """The partial decryptions of a holder of that share."""
    return [pow(c, 2 * PUBLIC.delta * secret, SQUARE) for c in products]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 13, 17])
def test_every_honest_share_verifies_however_many_products_there_are(count: int) -> None:
    products = Encryptor(PUBLIC).encrypt(range(count)).ciphertexts
    for share in SHARES:
        prover = Prover(PUBLIC, share, products)
        assert prover.partials == threshold.partial(PUBLIC, share, products)
        verify(PUBLIC, share.index, b"transcript", products, prover.partials, prover.prove(b"transcript"))


def test_a_nonce_serves_once() -> None:
    """Two answers e1, e2 with one nonce give z1 - z2 = (e1 - e2) Delta s_i: the share."""
    prover = Prover(PUBLIC, SHARES[0], PRODUCTS)
    prover.prove(b"one")
    with pytest.raises(ValueError, match="one proof"):
        prover.prove(b"two")


def test_secrets_of_a_prover_do_not_print() -> None:
    prover = Prover(PUBLIC, SHARES[0], PRODUCTS)
    assert str(prover._nonce) not in repr(prover)
    assert str(SHARES[0].secret) not in repr(prover)


def test_another_context_share_or_statement_is_refused() -> None:
    assert refusal(context=b"another transcript") is Refusal.BAD_PROOF
    assert refusal(index=2) is Refusal.BAD_PROOF
    assert refusal(products=NUMBERS[::-1]) is Refusal.BAD_PROOF
    assert refusal(partials=PARTIALS[::-1]) is Refusal.BAD_PROOF
    assert refusal(products=NUMBERS[::-1], partials=PARTIALS[::-1]) is Refusal.BAD_PROOF


@pytest.mark.parametrize("wrong", [
    [PARTIALS[0] * (1 + N) % SQUARE, *PARTIALS[1:]],  # combines to a result that is 1 mod N
    [PARTIALS[0] * 4 % SQUARE, *PARTIALS[1:]],
    [SQUARE - PARTIALS[0], *PARTIALS[1:]],
    [1, 1, 1],
])
def test_a_wrong_partial_is_refused_even_with_a_proof_made_for_it(wrong: list[int]) -> None:
    assert refusal(partials=wrong) is Refusal.BAD_PROOF
    assert wrong[0] == SQUARE - PARTIALS[0] or refusal(
        partials=wrong, proof=forged(SHARES[0].secret, wrong)) is Refusal.BAD_PROOF


def test_a_shift_that_combining_cannot_see_is_what_the_proof_is_for() -> None:
    shifted = {1: joined([PARTIALS[0] * (1 + N) % SQUARE, *PARTIALS[1:]]),
               2: threshold.partial(PUBLIC, SHARES[1], PRODUCTS)}
    assert threshold.combine(PUBLIC, shifted)[0] != 1  # accepted, and wrong


@pytest.mark.parametrize("secret", [deal_small(3, 3, 1).shares[0].secret, SHARES[0].secret + 1])
def test_a_share_of_another_polynomial_is_refused(secret: int) -> None:
    honest = forged(SHARES[0].secret, PARTIALS)
    verify(PUBLIC, 1, b"transcript", PRODUCTS, joined(PARTIALS), honest)
    partials = raised(secret)
    assert refusal(partials=partials, proof=forged(secret, partials)) is Refusal.BAD_PROOF
    with pytest.raises(Misconfigured):
        Prover(PUBLIC, KeyShare(1, secret), PRODUCTS)


@pytest.mark.parametrize("change", [
    {"on_base": 0}, {"on_base": SQUARE}, {"on_base": PROOF.on_base + SQUARE}, {"on_base": 1}, {"on_base": N},
    {"on_product": 0}, {"on_product": PROOF.on_product + SQUARE}, {"on_product": 1}, {"on_product": N},
    {"response": PROOF.response + 1}, {"response": -1}, {"response": 0},
    {"response": 1 << share_nonce_bits(PUBLIC) + 1},
])
def test_changed_or_unbounded_answers_are_refused(change: dict[str, int]) -> None:
    assert refusal(proof=dataclasses.replace(PROOF, **change)) is Refusal.BAD_PROOF


@pytest.mark.parametrize(("nonce", "base_offset", "product_offset", "accepted"), [
    (7, 0, 0, True), (7, SQUARE, 0, False), (7, 0, SQUARE, False),
    (1 << share_nonce_bits(PUBLIC) + 1, 0, 0, False)])
def test_a_proof_outside_its_ranges_is_refused_though_its_equations_hold(
        nonce: int, base_offset: int, product_offset: int, accepted: bool) -> None:
    c, p = equality_proof.aggregate(PUBLIC, 1, b"transcript", PRODUCTS, joined(PARTIALS))
    on_base = pow(PUBLIC.base, nonce, SQUARE) + base_offset
    on_product = pow(c, 4 * nonce, SQUARE) + product_offset
    e = equality_proof.derive_challenge(PUBLIC, 1, b"transcript", c, p, on_base, on_product)
    proof = EqualityProof(on_base, on_product, nonce + e * PUBLIC.delta * SHARES[0].secret)
    if accepted:
        verify(PUBLIC, 1, b"transcript", PRODUCTS, joined(PARTIALS), proof)
    else:
        assert refusal(proof=proof) is Refusal.BAD_PROOF


@pytest.mark.parametrize(("index", "products", "partials"), [
    (0, NUMBERS, PARTIALS), (4, NUMBERS, PARTIALS), (1, NUMBERS[:2], PARTIALS), (1, [], []),
    (1, [0, *NUMBERS[1:]], PARTIALS), (1, NUMBERS, [SQUARE, *PARTIALS[1:]]),
])
def test_other_forms_are_malformed(index: int, products: list[int], partials: list[int]) -> None:
    assert refusal(index=index, products=products, partials=partials) is Refusal.MALFORMED


def test_a_product_that_is_no_unit_is_refused() -> None:
    """Modulo p everything vanishes there, so that the equations hold for an honest share."""
    products = [P_512, *NUMBERS[1:]]
    partials = raised(SHARES[0].secret, products)
    proof = forged(SHARES[0].secret, partials, products)
    assert refusal(products=products, partials=partials, proof=proof) is Refusal.BAD_PROOF
