"""Batched proof that the sender knows the plaintexts and masks of its ciphertexts.

Without it Paillier's malleability would let a hostile node shift, copy or invert a colleague's old
ciphertext into a new round; the context binds a proof to one commitment. Sigma protocol over
(1 + mN) mask, batched with 128-bit weights hashed from the whole statement (the federation's mode of
encryption included) and made non-interactive with a 128-bit hashed challenge.

  1. The prover hashes weights w_k and forms C = prod c_k^w_k.
  2. It draws a < N and a nonce, and commits to A.
  3. e is hashed from the context, C and A.
  4. It answers z_m = a + e sum(w_k m_k) mod N and z_r.
  5. The verifier recomputes C and e and checks one equation mod N^2.

DJN and SHORT (Damgard, Jurik and Nielsen 2010, section 4): A = (1 + aN) h_s^b, with b 256 bits longer
than e sum(w_k r_k) can be; z_r = b + e sum(w_k r_k), an integer; ((1 + z_m N) h_s^z_r)^2 = (A C^e)^2.
Both sides are squared, which removes the elements of order two.

TEXTBOOK: A = (1 + aN) b^N with b uniform mod N; z_r = b prod r_k^(e w_k) mod N;
(1 + z_m N) z_r^N = A C^e. Two answers to one A with e' != e give (1 + xN) y^N = C^(e - e'), and e - e'
is prime to N, whose factors are longer than 128 bits: with u (e - e') + v N = 1 that is
C = (1 + uxN) (y^u C^v)^N, an opening of C. Answers under other weights open each c_k likewise. Every
unit mod N^2 has an opening, so that no factor need be removed by squaring; z_r is uniform, z_m too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from cotally.server.model.encryption import Encryption
from cotally.v1.refusals import Refusal, Refused

from . import backend, ciphertexts, parallel, randomness
from .keys import PublicKey
from .tables import COUNT_BITS, checking_table, encrypting_table, mask_nonce_bits
from .transcript import challenge, weights


@dataclass(frozen=True, slots=True)
class PlaintextProof:
    """A (mod N^2), z_m (mod N) and z_r (an integer of bounded length; under TEXTBOOK mod N)."""

    commitment: int
    plaintext: int
    randomness: int


def prove(public: PublicKey, context: bytes, vector: bytes, plaintexts: Sequence[int],
          masks: Sequence[int]) -> PlaintextProof:
    """Return a proof bound to *context* that the prover knows plaintexts and randomness of *vector*."""
    n = mpz(public.modulus)
    textbook = public.encryption is Encryption.TEXTBOOK
    w, product = aggregate(public, context, vector)
    [mask] = randomness.residues(1, public.modulus)
    [nonce] = (randomness.residues(1, public.modulus) if textbook
               else randomness.exponents(1, mask_nonce_bits(public)))
    hiding = _nth_power(public, nonce) if textbook else encrypting_table(public).power(nonce)
    commitment = int((1 + mask * n) * hiding % (n * n))
    e = derive_challenge(public, context, product, commitment)
    if textbook:
        ring = backend.ring(public.modulus, public.modulus_bytes)
        answer = nonce * parallel.power_product(ring, ring.vector(masks), [e * a for a in w]) % public.modulus
    else:
        answer = nonce + e * sum(a * r for a, r in zip(w, masks, strict=True))
    opened = mask + e * sum(a * m for a, m in zip(w, plaintexts, strict=True))
    return PlaintextProof(commitment, int(opened % n), answer)


def verify(public: PublicKey, context: bytes, vector: bytes, proof: PlaintextProof) -> None:
    """Refuse BAD_PROOF unless *proof* holds for *vector* under *context*; MALFORMED ciphertexts first."""
    ciphertexts.check(vector, len(vector) // public.ciphertext_bytes, public)
    _check_form(public, vector, proof)
    n = mpz(public.modulus)
    square = n * n
    _, product = aggregate(public, context, vector)
    e = derive_challenge(public, context, product, proof.commitment)
    right = proof.commitment * gmpy2.powmod(product, e, square) % square
    if public.encryption is Encryption.TEXTBOOK:
        left = (1 + proof.plaintext * n) * _nth_power(public, proof.randomness) % square
        holds = left == right  # left is a unit, hence so are A and C
    else:
        left = (1 + proof.plaintext * n) * checking_table(public).power(proof.randomness) % square
        holds = (left * left - right * right) % square == 0
    if not holds:
        raise Refused(Refusal.BAD_PROOF, "a proof of plaintext knowledge does not verify")


def warm(public: PublicKey) -> None:
    """Build the table that `verify` uses now, so that no round waits for it."""
    if public.encryption is not Encryption.TEXTBOOK:
        checking_table(public).build()


def aggregate(public: PublicKey, context: bytes, vector: bytes) -> tuple[list[int], int]:
    """Return the weights w_k and C = prod c_k^w_k mod N^2."""
    w = weights(len(vector) // public.ciphertext_bytes, b"cotally/v1/plaintext-weights", public.encryption,
                context, public.modulus, public.generator, vector)
    return w, parallel.power_product(public.ring, vector, w)


def derive_challenge(public: PublicKey, context: bytes, product: int, commitment: int) -> int:
    """Return e, hashed from everything that was fixed before the answer."""
    return challenge(b"cotally/v1/plaintext-challenge", public.encryption, context, public.modulus,
                     public.generator, product, commitment)


def _nth_power(public: PublicKey, residue: int) -> int:
    [power] = public.ring.numbers(public.ring.powers(public.ring.vector([residue]), public.modulus))
    return power


def _check_form(public: PublicKey, vector: bytes, proof: PlaintextProof) -> None:
    n, count = public.modulus, len(vector) // public.ciphertext_bytes
    bounded = 0 < proof.commitment < n * n and 0 <= proof.plaintext < n
    if public.encryption is Encryption.TEXTBOOK:
        bounded &= 0 < proof.randomness < n and gmpy2.gcd(proof.randomness, n) == 1
    else:
        bounded &= 0 <= proof.randomness < 1 << mask_nonce_bits(public) + 1
    if not bounded or not 0 < count < 1 << COUNT_BITS or gmpy2.gcd(proof.commitment, n) != 1:
        raise Refused(Refusal.BAD_PROOF, "a proof of plaintext knowledge is out of range")
