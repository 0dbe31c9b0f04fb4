"""The proof of equal logarithms accepts the published share's answer and no other."""

import dataclasses

import pytest

from cotally.server.crypto import equality_proof, threshold
from cotally.server.crypto.equality_proof import EqualityProof, prove, verify
from cotally.server.crypto.keys import KeyShare
from cotally.server.crypto.paillier import Encryptor
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import P_512, deal_small, small_dealt

PUBLIC, SHARES = small_dealt().public, small_dealt().shares
N, SQUARE = PUBLIC.modulus, PUBLIC.modulus_squared
PRODUCTS = Encryptor(PUBLIC).encrypt([1, 2, 3]).ciphertexts
PARTIALS = threshold.partial(PUBLIC, SHARES[0], PRODUCTS)
PROOF = prove(PUBLIC, SHARES[0], b"transcript", PRODUCTS, PARTIALS)


def refusal(index: int = 1, context: bytes = b"transcript", products: tuple[int, ...] = PRODUCTS,
            partials: tuple[int, ...] = PARTIALS, proof: EqualityProof = PROOF) -> Refusal:
    with pytest.raises(Refused) as caught:
        verify(PUBLIC, index, context, products, partials, proof)
    return caught.value.refusal


def test_every_honest_share_verifies() -> None:
    for share in SHARES:
        partials = threshold.partial(PUBLIC, share, PRODUCTS)
        proof = prove(PUBLIC, share, b"transcript", PRODUCTS, partials)
        verify(PUBLIC, share.index, b"transcript", PRODUCTS, partials, proof)


def test_another_context_share_or_statement_is_refused() -> None:
    assert refusal(context=b"another transcript") is Refusal.BAD_PROOF
    assert refusal(index=2) is Refusal.BAD_PROOF
    assert refusal(products=PRODUCTS[::-1]) is Refusal.BAD_PROOF
    assert refusal(partials=PARTIALS[::-1]) is Refusal.BAD_PROOF
    assert refusal(products=PRODUCTS[::-1], partials=PARTIALS[::-1]) is Refusal.BAD_PROOF


@pytest.mark.parametrize("wrong", [
    (PARTIALS[0] * (1 + N) % SQUARE, *PARTIALS[1:]),  # combines to a result that is 1 mod N
    (PARTIALS[0] * 4 % SQUARE, *PARTIALS[1:]),
    (SQUARE - PARTIALS[0], *PARTIALS[1:]),
    (1, 1, 1),
])
def test_a_wrong_partial_is_refused_even_with_a_proof_made_for_it(wrong: tuple[int, ...]) -> None:
    assert refusal(partials=wrong) is Refusal.BAD_PROOF
    assert wrong[0] == SQUARE - PARTIALS[0] or refusal(
        partials=wrong, proof=prove(PUBLIC, SHARES[0], b"transcript", PRODUCTS, wrong)) is Refusal.BAD_PROOF


def test_a_shift_that_combining_cannot_see_is_what_the_proof_is_for() -> None:
    shifted = {1: (PARTIALS[0] * (1 + N) % SQUARE, *PARTIALS[1:]),
               2: threshold.partial(PUBLIC, SHARES[1], PRODUCTS)}
    assert threshold.combine(PUBLIC, shifted)[0] != 1  # accepted, and wrong


def test_a_share_of_another_polynomial_is_refused() -> None:
    other = deal_small(3, 3, 1).shares[0]
    partials = threshold.partial(PUBLIC, other, PRODUCTS)
    assert refusal(partials=partials,
                   proof=prove(PUBLIC, other, b"transcript", PRODUCTS, partials)) is Refusal.BAD_PROOF
    posing = KeyShare(1, SHARES[0].secret + 1)
    partials = threshold.partial(PUBLIC, posing, PRODUCTS)
    assert refusal(partials=partials,
                   proof=prove(PUBLIC, posing, b"transcript", PRODUCTS, partials)) is Refusal.BAD_PROOF


@pytest.mark.parametrize("change", [
    {"on_base": 0}, {"on_base": SQUARE}, {"on_base": PROOF.on_base + SQUARE}, {"on_base": 1}, {"on_base": N},
    {"on_product": 0}, {"on_product": PROOF.on_product + SQUARE}, {"on_product": 1}, {"on_product": N},
    {"response": PROOF.response + 1}, {"response": -1}, {"response": 0},
    {"response": 1 << equality_proof.nonce_bits(PUBLIC) + 1},
])
def test_changed_or_unbounded_answers_are_refused(change: dict[str, int]) -> None:
    assert refusal(proof=dataclasses.replace(PROOF, **change)) is Refusal.BAD_PROOF


@pytest.mark.parametrize(("nonce", "base_offset", "product_offset", "accepted"), [
    (7, 0, 0, True), (7, SQUARE, 0, False), (7, 0, SQUARE, False),
    (1 << equality_proof.nonce_bits(PUBLIC) + 1, 0, 0, False)])
def test_a_proof_outside_its_ranges_is_refused_though_its_equations_hold(
        nonce: int, base_offset: int, product_offset: int, accepted: bool) -> None:
    c, p = equality_proof.aggregate(PUBLIC, 1, b"transcript", PRODUCTS, PARTIALS)
    on_base = pow(PUBLIC.base, nonce, SQUARE) + base_offset
    on_product = pow(c, 4 * nonce, SQUARE) + product_offset
    e = equality_proof.derive_challenge(PUBLIC, 1, b"transcript", c, p, on_base, on_product)
    proof = EqualityProof(on_base, on_product, nonce + e * PUBLIC.delta * SHARES[0].secret)
    if accepted:
        verify(PUBLIC, 1, b"transcript", PRODUCTS, PARTIALS, proof)
    else:
        assert refusal(proof=proof) is Refusal.BAD_PROOF


@pytest.mark.parametrize(("index", "products", "partials"), [
    (0, PRODUCTS, PARTIALS), (4, PRODUCTS, PARTIALS), (1, PRODUCTS[:2], PARTIALS), (1, (), ()),
    (1, (0, *PRODUCTS[1:]), PARTIALS), (1, PRODUCTS, (SQUARE, *PARTIALS[1:])),
])
def test_other_forms_are_malformed(index: int, products: tuple[int, ...], partials: tuple[int, ...]) -> None:
    assert refusal(index=index, products=products, partials=partials) is Refusal.MALFORMED


def test_a_product_that_is_no_unit_is_refused() -> None:
    """Modulo p everything vanishes there, so that the equations hold for an honest share."""
    products = (P_512, *PRODUCTS[1:])
    partials = threshold.partial(PUBLIC, SHARES[0], products)
    proof = prove(PUBLIC, SHARES[0], b"transcript", products, partials)
    assert refusal(products=products, partials=partials, proof=proof) is Refusal.BAD_PROOF


def test_the_nonce_outgrows_what_it_hides_by_256_bits() -> None:
    witness = ((1 << 128) - 1) * PUBLIC.delta * SQUARE // 4
    assert equality_proof.nonce_bits(PUBLIC) >= witness.bit_length() + 256
