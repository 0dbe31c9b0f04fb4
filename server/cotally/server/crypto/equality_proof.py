"""Batched proof that partial decryptions use the exponent that the ceremony verified.

Chaum and Pedersen 1992 in the squares mod N^2 (Shoup 2000, section 3): log_v v_i equals
log_{C^4} P^2, where C and P aggregate products and partials with 128-bit weights hashed from the
whole statement. Modulo safe primes the squares' order has only large prime factors.

  1. Weights w_k are hashed; C = prod c_k^w_k and P = prod p_k^w_k.
  2. The holder draws r, 256 bits longer than e Delta s_i; A1 = v^r and A2 = (C^4)^r.
  3. e is hashed from the context, C, P, A1, A2; the answer is z = r + e Delta s_i, an integer.
  4. The verifier checks v^z = A1 v_i^e and (C^4)^z = A2 (P^2)^e mod N^2.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import ciphertexts as wire
from .fixed_base import verification_table
from .keys import KeyShare, PublicKey
from .products import in_threads, power_product
from .transcript import challenge, weights

SLACK_BITS = 256
CHALLENGE_BITS = 128


@dataclass(frozen=True, slots=True)
class EqualityProof:
    """A1 and A2 (mod N^2) and z (an integer of bounded length)."""

    on_base: int
    on_product: int
    response: int


def prove(public: PublicKey, share: KeyShare, context: bytes, products: Sequence[int],
          partials: Sequence[int]) -> EqualityProof:
    """Return a proof bound to *context* that *partials* are *products* to the power 2 Delta s_i."""
    square, secret = mpz(public.modulus_squared), public.delta * share.secret
    c, p = aggregate(public, share.index, context, products, partials)
    nonce = mpz(secrets.randbits(nonce_bits(public)))
    on_base, on_product = in_threads(
        lambda base: int(gmpy2.powmod_sec(mpz(base), nonce, square)), [public.base, pow(c, 4, int(square))])
    e = derive_challenge(public, share.index, context, c, p, on_base, on_product)
    return EqualityProof(on_base, on_product, int(nonce + e * secret))


def verify(public: PublicKey, index: int, context: bytes, products: Sequence[int],
           partials: Sequence[int], proof: EqualityProof) -> None:
    """Refuse BAD_PROOF unless *proof* shows that share *index* made *partials* of *products*."""
    check_form(public, index, products, partials, proof)
    check_equations(public, index, context, products, partials, proof,
                    verification_table(public).power(proof.response))


def warm(public: PublicKey) -> None:
    """Build the table that `verify` uses now (0.4 s at 3072 bits), so that no round waits for it."""
    verification_table(public).build()


def check_form(public: PublicKey, index: int, products: Sequence[int], partials: Sequence[int],
               proof: EqualityProof) -> None:
    """Refuse MALFORMED or BAD_PROOF what is out of range, before anything long is computed."""
    if not 1 <= index <= public.key_holders:
        raise Refused(Refusal.MALFORMED, f"there is no key share {index}")
    if not products or len(products) != len(partials):
        raise Refused(Refusal.MALFORMED, f"{len(partials)} partial decryptions of {len(products)} products")
    wire.check_range(products, public)
    wire.check_range(partials, public)
    square = public.modulus_squared
    bounded = (0 < proof.on_base < square and 0 < proof.on_product < square
               and 0 <= proof.response < 1 << nonce_bits(public) + 1)
    if not bounded:
        raise Refused(Refusal.BAD_PROOF, f"the proof of share {index} is out of range")


def check_equations(public: PublicKey, index: int, context: bytes, products: Sequence[int],
                    partials: Sequence[int], proof: EqualityProof, base_power: mpz) -> None:
    """Refuse BAD_PROOF unless both equations hold, given *base_power* = v^z mod N^2."""
    square = mpz(public.modulus_squared)
    c, p = aggregate(public, index, context, products, partials)
    e = derive_challenge(public, index, context, c, p, proof.on_base, proof.on_product)
    on_base = proof.on_base * gmpy2.powmod(public.verification[index - 1], e, square) % square
    left = gmpy2.powmod(gmpy2.powmod(c, 4, square), proof.response, square)
    on_product = proof.on_product * gmpy2.powmod(p, 2 * e, square) % square
    units = gmpy2.gcd(mpz(c) * p, public.modulus) == 1
    if not units or base_power != on_base or left != on_product:
        raise Refused(Refusal.BAD_PROOF, f"the partial decryption of share {index} does not verify")


def aggregate(public: PublicKey, index: int, context: bytes, products: Sequence[int],
              partials: Sequence[int]) -> tuple[int, int]:
    """Return C = prod c_k^w_k and P = prod p_k^w_k mod N^2."""
    w = derive_weights(public, index, context, products, partials)
    square = mpz(public.modulus_squared)
    return int(power_product(products, w, square)), int(power_product(partials, w, square))


def derive_weights(public: PublicKey, index: int, context: bytes, products: Sequence[int],
                   partials: Sequence[int]) -> list[int]:
    """Return one 128-bit weight per product, hashed from the whole statement."""
    return weights(len(products), b"cotally/v1/equality-weights", context, public.modulus, public.base,
                   public.verification[index - 1], wire.to_bytes(products, public),
                   wire.to_bytes(partials, public))


def derive_challenge(public: PublicKey, index: int, context: bytes, product: int, partial: int,
                     on_base: int, on_product: int) -> int:
    """Return e, hashed from everything that was fixed before the answer."""
    return challenge(b"cotally/v1/equality-challenge", context, public.modulus, public.base,
                     public.verification[index - 1], product, partial, on_base, on_product)


def nonce_bits(public: PublicKey) -> int:
    """Return |r|: the longest e Delta s_i (s_i < N m < N^2), plus 256 bits."""
    return CHALLENGE_BITS + public.delta.bit_length() + 2 * public.bits + SLACK_BITS
