"""Batched proof that partial decryptions use the exponent that the ceremony verified.

Chaum and Pedersen 1992 in the squares mod N^2 (Shoup 2000, section 3): log_v v_i equals
log_{C^4} P^2, where C and P aggregate products and partials with 128-bit weights hashed from the
whole statement. Modulo safe primes the squares' order has only large prime factors.

  1. The holder draws r, 256 bits longer than e Delta s_i; A1 = v^r.
  2. Weights w_k are hashed; C = prod c_k^w_k and P = prod p_k^w_k; A2 = (C^4)^r.
  3. e is hashed from the context, C, P, A1, A2; the answer is z = r + e Delta s_i, an integer.
  4. The verifier checks v^z = A1 v_i^e and (C^4)^z = A2 (P^2)^e mod N^2.
"""

from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import ciphertexts, parallel, randomness, threshold
from .keys import KeyShare, PublicKey
from .tables import share_nonce_bits, verification_table
from .transcript import challenge, weights


@dataclass(frozen=True, slots=True)
class EqualityProof:
    """A1 and A2 (mod N^2) and z (an integer of bounded length)."""

    on_base: int
    on_product: int
    response: int


class Prover:
    """Makes one holder's partial decryptions of *products* and then proves them, once.

    Refuses MALFORMED products out of range; raises Misconfigured for a share of another key.
    """

    def __init__(self, public: PublicKey, share: KeyShare, products: bytes) -> None:
        self.partials = threshold.partial(public, share, products)
        self._public, self._share, self._products = public, share, products
        self._nonce: int | None = randomness.exponents(1, share_nonce_bits(public))[0]

    def prove(self, context: bytes) -> EqualityProof:
        """Return the proof, bound to *context*. A second one would tell the share, and is a ValueError."""
        nonce, self._nonce = self._nonce, None
        if nonce is None:
            raise ValueError("a nonce serves for one proof")
        public, share, ring = self._public, self._share, self._public.ring
        c, p = aggregate(public, share.index, context, self._products, self.partials)
        bases = ring.vector([public.base, pow(c, 4, public.modulus_squared)])
        raised = parallel.secret_powers(ring, bases, [nonce, nonce], share_nonce_bits(public))
        on_base, on_product = ring.numbers(raised)
        e = derive_challenge(public, share.index, context, c, p, on_base, on_product)
        return EqualityProof(on_base, on_product, nonce + e * public.delta * share.secret)

    def __repr__(self) -> str:
        return f"Prover({self._share}, nonce=...)"


def verify(public: PublicKey, index: int, context: bytes, products: bytes, partials: bytes,
           proof: EqualityProof) -> None:
    """Refuse BAD_PROOF unless *proof* shows that share *index* made *partials* of *products*."""
    check_form(public, index, products, partials, proof)
    check_equations(public, index, context, products, partials, proof,
                    verification_table(public).power(proof.response))


def warm(public: PublicKey) -> None:
    """Build the table that `verify` uses now, so that no round waits for it."""
    verification_table(public).build()


def check_form(public: PublicKey, index: int, products: bytes, partials: bytes, proof: EqualityProof) -> None:
    """Refuse MALFORMED or BAD_PROOF what is out of range, before anything long is computed."""
    if not 1 <= index <= public.key_holders:
        raise Refused(Refusal.MALFORMED, f"there is no key share {index}")
    if not products or len(products) != len(partials):
        raise Refused(Refusal.MALFORMED, f"{len(partials)} bytes of partial decryptions for {len(products)} "
                                         "bytes of products")
    for vector in (products, partials):
        ciphertexts.check(vector, len(vector) // public.ciphertext_bytes, public)
    square = public.modulus_squared
    bounded = (0 < proof.on_base < square and 0 < proof.on_product < square
               and 0 <= proof.response < 1 << share_nonce_bits(public) + 1)
    if not bounded:
        raise Refused(Refusal.BAD_PROOF, f"the proof of share {index} is out of range")


def check_equations(public: PublicKey, index: int, context: bytes, products: bytes, partials: bytes,
                    proof: EqualityProof, base_power: int) -> None:
    """Refuse BAD_PROOF unless both equations hold, given *base_power* = v^z mod N^2."""
    square = mpz(public.modulus_squared)
    c, p = aggregate(public, index, context, products, partials)
    if gmpy2.gcd(mpz(c) * p, public.modulus) != 1:
        raise Refused(Refusal.BAD_PROOF, f"the partial decryption of share {index} is no unit")
    e = derive_challenge(public, index, context, c, p, proof.on_base, proof.on_product)
    on_base = proof.on_base * gmpy2.powmod(public.verification[index - 1], e, square) % square
    fourth = public.ring.vector([pow(c, 4, int(square))])
    [left] = public.ring.numbers(public.ring.powers(fourth, proof.response))
    on_product = proof.on_product * gmpy2.powmod(p, 2 * e, square) % square
    if base_power != on_base or left != on_product:
        raise Refused(Refusal.BAD_PROOF, f"the partial decryption of share {index} does not verify")


def aggregate(public: PublicKey, index: int, context: bytes, products: bytes,
              partials: bytes) -> tuple[int, int]:
    """Return C = prod c_k^w_k and P = prod p_k^w_k mod N^2."""
    w = derive_weights(public, index, context, products, partials)
    return parallel.power_product(public.ring, products, w), parallel.power_product(public.ring, partials, w)


def derive_weights(public: PublicKey, index: int, context: bytes, products: bytes,
                   partials: bytes) -> list[int]:
    """Return one 128-bit weight per product, hashed from the whole statement."""
    return weights(len(products) // public.ciphertext_bytes, b"cotally/v1/equality-weights", context,
                   public.modulus, public.base, public.verification[index - 1], products, partials)


def derive_challenge(public: PublicKey, index: int, context: bytes, product: int, partial: int,
                     on_base: int, on_product: int) -> int:
    """Return e, hashed from everything that was fixed before the answer."""
    return challenge(b"cotally/v1/equality-challenge", context, public.modulus, public.base,
                     public.verification[index - 1], product, partial, on_base, on_product)
