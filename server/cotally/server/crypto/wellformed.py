"""Proof bytes that N is square-free, prime to phi(N), and a Blum integer: p q with p = q = 3 mod 4.

Layout: 8 N-th roots, then 128 square roots, each big-endian in the width of N.

- Square-free (Gennaro, Micciancio and Rabin 1998): N-th roots of 8 hashed challenges. If a prime
  p > 2^16 divides gcd(N, phi(N)), a challenge has a root with chance at most 1/p; smaller factors
  are excluded by division. Soundness 2^-128.
- Blum (van de Graaf and Peralta 1987): for 128 hashed challenges x of Jacobi symbol 1 and hashed
  signs, a square root of x or -x whose own Jacobi symbol is the sign. For another N at least half
  of the challenges have no answer. Soundness 2^-128.
"""

from itertools import count

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import parallel
from .transcript import expand

NTH_ROOTS = 8
SQUARE_ROOTS = 128
SMALL_FACTOR = 1 << 16


def prove(p: int, q: int, epoch: int) -> bytes:
    """Return the proof for N = p q; p and q are distinct primes, 3 mod 4, and N is prime to phi(N)."""
    n, width = p * q, ((p * q).bit_length() + 7) // 8
    inverse = gmpy2.invert(n, (p - 1) * (q - 1))
    roots = parallel.each(lambda k: gmpy2.powmod(_unit(n, epoch, k), inverse, n), range(NTH_ROOTS))
    roots += parallel.each(lambda k: _signed_root(p, q, *_signed_unit(n, epoch, k)), range(SQUARE_ROOTS))
    return b"".join(int(root).to_bytes(width, "big") for root in roots)


def verify(modulus: int, epoch: int, proof: bytes) -> None:
    """Refuse MALFORMED a modulus or proof of bad form, BAD_PROOF one that does not verify."""
    check_modulus(modulus)
    n, width = mpz(modulus), (modulus.bit_length() + 7) // 8
    if len(proof) != (NTH_ROOTS + SQUARE_ROOTS) * width:
        raise Refused(Refusal.MALFORMED, "the proof that the modulus is well formed has a wrong length")
    roots = [int.from_bytes(proof[k:k + width], "big") for k in range(0, len(proof), width)]
    if not all(0 < root < modulus for root in roots):
        raise Refused(Refusal.MALFORMED, "the proof that the modulus is well formed is out of range")
    for k, root in enumerate(roots[:NTH_ROOTS]):
        if gmpy2.powmod(root, n, n) != _unit(modulus, epoch, k):
            raise Refused(Refusal.BAD_PROOF, "the modulus is not proved square-free")
    for k, root in enumerate(roots[NTH_ROOTS:]):
        x, sign = _signed_unit(modulus, epoch, k)
        if root * root % n not in (x, n - x) or gmpy2.jacobi(root, n) != sign:
            raise Refused(Refusal.BAD_PROOF, "the modulus is not proved a Blum integer")


def check_modulus(modulus: int) -> None:
    """Refuse MALFORMED an even, prime or perfect-power modulus, one not 1 mod 4, or with a small factor."""
    n = mpz(modulus)
    if n < 15 or n % 4 != 1:
        raise Refused(Refusal.MALFORMED, "the modulus is even or not 1 modulo 4, so it is no Blum integer")
    if gmpy2.gcd(n, gmpy2.primorial(SMALL_FACTOR)) != 1:
        raise Refused(Refusal.MALFORMED, "the modulus has a factor below 65536")
    if gmpy2.is_power(n):
        raise Refused(Refusal.MALFORMED, "the modulus is a perfect power")
    if gmpy2.is_prime(n):
        raise Refused(Refusal.MALFORMED, "the modulus is prime")


def _signed_root(p: int, q: int, x: int, sign: int) -> mpz:
    """Return the square root of x or -x mod p q whose Jacobi symbol is *sign*."""
    n = p * q
    square = x if gmpy2.jacobi(x, p) == 1 else n - x
    mod_p = gmpy2.powmod(square, (p + 1) // 4, p)
    mod_q = gmpy2.powmod(square, (q + 1) // 4, q)
    root = _join(mod_p, mod_q, p, q)
    return root if gmpy2.jacobi(root, n) == sign else _join(mod_p, q - mod_q, p, q)


def _join(mod_p: mpz, mod_q: mpz, p: int, q: int) -> mpz:
    """Return the residue mod p q that is mod_p mod p and mod_q mod q."""
    return (mod_p + (mod_q - mod_p) * gmpy2.invert(p, q) % q * p) % (p * q)


def _unit(modulus: int, epoch: int, k: int) -> int:
    """Return challenge *k* of the square-free proof: a unit mod N."""
    width = (modulus.bit_length() + 7) // 8
    for attempt in count():
        stream = expand(width + 16, b"cotally/v1/square-free", modulus, epoch, k, attempt)
        x = int.from_bytes(stream, "big") % modulus
        if gmpy2.gcd(x, modulus) == 1:
            return x
    raise AssertionError("unreachable")


def _signed_unit(modulus: int, epoch: int, k: int) -> tuple[int, int]:
    """Return challenge *k* of the Blum proof: x of Jacobi symbol 1, and a sign, 1 or -1."""
    width = (modulus.bit_length() + 7) // 8
    for attempt in count():
        stream = expand(width + 17, b"cotally/v1/blum", modulus, epoch, k, attempt)
        x = int.from_bytes(stream[1:], "big") % modulus
        if gmpy2.jacobi(x, modulus) == 1:
            return x, 1 if stream[0] & 1 else -1
    raise AssertionError("unreachable")
