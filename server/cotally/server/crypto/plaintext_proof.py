"""Batched proof that the sender knows the plaintexts and exponents of its ciphertexts.

Without it Paillier's malleability would let a hostile node shift, copy or invert a colleague's old
ciphertext into a new round; the context binds a proof to one commitment. Sigma protocol over
(1 + mN) h_s^r (Damgard, Jurik and Nielsen 2010, section 4), batched with 128-bit weights hashed
from the whole statement and made non-interactive with a 128-bit hashed challenge. Both sides of
the check are squared, which removes the elements of order two.

  1. The prover hashes weights w_k and forms C = prod c_k^w_k.
  2. It draws a < N and b, 256 bits longer than e * sum(w_k r_k) can be; A = (1 + aN) h_s^b.
  3. e is hashed from the context, C and A.
  4. It answers z_m = a + e sum(w_k m_k) mod N and z_r = b + e sum(w_k r_k), an integer.
  5. The verifier recomputes C and e and checks ((1 + z_m N) h_s^z_r)^2 = (A C^e)^2 mod N^2.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import ciphertexts as wire
from .fixed_base import checking_table, encrypting_table
from .keys import PublicKey
from .products import power_product
from .transcript import challenge, weights

SLACK_BITS = 256  # by which a nonce outgrows what it hides
CHALLENGE_BITS = 128


@dataclass(frozen=True, slots=True)
class PlaintextProof:
    """A (mod N^2), z_m (mod N) and z_r (an integer of bounded length)."""

    commitment: int
    plaintext: int
    randomness: int


def prove(public: PublicKey, context: bytes, ciphertexts: Sequence[int], plaintexts: Sequence[int],
          randomness: Sequence[int]) -> PlaintextProof:
    """Return a proof bound to *context* that the prover knows plaintexts and exponents."""
    n = mpz(public.modulus)
    w, product = aggregate(public, context, ciphertexts)
    mask = secrets.randbelow(public.modulus)
    nonce = secrets.randbits(nonce_bits(public, len(ciphertexts)))
    commitment = int(encrypting_table(public).times_power(1 + mask * n, nonce))
    e = derive_challenge(public, context, product, commitment)
    return PlaintextProof(
        commitment=commitment,
        plaintext=int((mask + e * sum(a * m for a, m in zip(w, plaintexts, strict=True))) % n),
        randomness=nonce + e * sum(a * r for a, r in zip(w, randomness, strict=True)),
    )


def verify(public: PublicKey, context: bytes, ciphertexts: Sequence[int], proof: PlaintextProof) -> None:
    """Refuse BAD_PROOF unless *proof* holds for *ciphertexts* under *context*."""
    n = mpz(public.modulus)
    square = n * n
    bounded = (0 < proof.commitment < square and 0 <= proof.plaintext < n
               and 0 <= proof.randomness < 1 << nonce_bits(public, len(ciphertexts)) + 1)
    if not ciphertexts or not bounded:
        raise Refused(Refusal.BAD_PROOF, "a proof of plaintext knowledge is out of range")
    wire.check_range(ciphertexts, public)
    _, product = aggregate(public, context, ciphertexts)
    e = derive_challenge(public, context, product, proof.commitment)
    left = checking_table(public).times_power(1 + proof.plaintext * n, proof.randomness)
    right = proof.commitment * gmpy2.powmod(product, e, square) % square
    if (left * left - right * right) % square:  # left is a unit, hence so are A and C
        raise Refused(Refusal.BAD_PROOF, "a proof of plaintext knowledge does not verify")


def warm(public: PublicKey) -> None:
    """Build the table that `verify` uses now (0.2 s at 3072 bits), so that no round waits for it."""
    checking_table(public).build()


def aggregate(public: PublicKey, context: bytes, ciphertexts: Sequence[int]) -> tuple[list[int], int]:
    """Return the weights w_k and C = prod c_k^w_k mod N^2."""
    w = weights(len(ciphertexts), b"cotally/v1/plaintext-weights", context, public.modulus, public.generator,
                wire.to_bytes(ciphertexts, public))
    return w, int(power_product(ciphertexts, w, mpz(public.modulus_squared)))


def derive_challenge(public: PublicKey, context: bytes, product: int, commitment: int) -> int:
    """Return e, hashed from everything that was fixed before the answer."""
    return challenge(b"cotally/v1/plaintext-challenge", context, public.modulus, public.generator,
                     product, commitment)


def nonce_bits(public: PublicKey, count: int) -> int:
    """Return |b|: the longest e * sum(w_k r_k) over *count* ciphertexts, plus 256 bits."""
    return 2 * CHALLENGE_BITS + public.randomness_bits + count.bit_length() + SLACK_BITS
