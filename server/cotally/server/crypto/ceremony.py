"""The dealer's ceremony: modulus, shares and public verification data; and everybody's checks of it.

  1. Two safe primes p = 2p' + 1 and q = 2q' + 1 make N; m = p' q'.
  2. d = 0 mod m and 1 mod N is shared by f(X) = d + a_1 X + ... over Z_{Nm}; s_i = f(i).
  3. v^(Delta a_k) commits to the coefficients (Feldman 1987) and v_i = v^(Delta s_i) to the shares.
  4. N's proofs of form and every share's trial decryptions are published with them.

The dealer knows the whole key while this runs. Python cannot erase integers: run it in a process
that ends right after, not on the coordinator.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import parallel, trial, wellformed
from .generator import verification_base
from .keys import KeyShare, PublicKey
from .safe_primes import safe_prime
from .threshold import check_share

MINIMUM_BITS = 2048
MAXIMUM_BITS = 8192  # so that N^2 fits every back end
MAXIMUM_KEY_HOLDERS = 64
MAXIMUM_REFRESHES = 10_000  # of one key's shares


@dataclass(frozen=True, slots=True)
class Dealt:
    """What a ceremony yields: the public key with its proofs, and the shares 1..n, one per holder."""

    public: PublicKey
    shares: tuple[KeyShare, ...]
    wellformed: bytes
    trial: bytes


def deal(bits: int, key_holders: int, threshold: int, epoch: int, progress: Callable[[str], None]) -> Dealt:
    """Return a fresh key of *bits* bits shared t of n; *progress* hears each step.

    Raises Misconfigured for sizes that cannot be: bits even and at least 2048, 1 <= t <= n <= 64.
    """
    if bits % 2 or not MINIMUM_BITS <= bits <= MAXIMUM_BITS:
        raise Misconfigured(f"a key of {bits} bits is not possible: "
                            f"use an even number from {MINIMUM_BITS} to {MAXIMUM_BITS}")
    if not 1 <= threshold <= key_holders <= MAXIMUM_KEY_HOLDERS:
        raise Misconfigured(f"{threshold} of {key_holders} key holders is not possible: "
                            f"1 <= threshold <= key holders <= {MAXIMUM_KEY_HOLDERS}")
    progress(f"searching two safe primes of {bits // 2} bits")
    while True:
        p, q = parallel.each(safe_prime, [bits // 2, bits // 2])
        if abs(p - q).bit_length() > bits // 2 - 100:
            break
    progress(f"dealing {key_holders} shares, {threshold} of which decrypt")
    order = p * q * (p // 2) * (q // 2)
    dealt = _deal_from_primes(p, q, key_holders, threshold, epoch,
                              [secrets.randbelow(order) for _ in range(threshold - 1)])
    progress("checking the new key")
    check_public(dealt.public, dealt.wellformed, dealt.trial)
    for share in dealt.shares:
        check_share(dealt.public, share)
    return dealt


def _deal_from_primes(p: int, q: int, key_holders: int, threshold: int, epoch: int,
                      coefficients: Sequence[int]) -> Dealt:
    """Return the key of two given safe primes and coefficients a_1..a_{t-1}, each below N m."""
    n, m = p * q, (p // 2) * (q // 2)
    order, delta, square = n * m, factorial(key_holders), mpz(n * n)
    polynomial = [m * int(gmpy2.invert(m, n)), *coefficients]
    shares = [KeyShare(i, sum(a * i**k for k, a in enumerate(polynomial)) % order)
              for i in range(1, key_holders + 1)]
    base = verification_base(n, epoch)
    committed = parallel.each(lambda a: int(gmpy2.powmod_sec(mpz(base), mpz(delta * a), square)),
                              [*polynomial, *(share.secret for share in shares)])
    public = PublicKey(
        modulus=n, epoch=epoch, key_holders=key_holders, threshold=threshold, base=base,
        verification=tuple(committed[threshold:]), coefficients=tuple(committed[:threshold]),
    )
    return Dealt(public, tuple(shares), wellformed.prove(p, q, epoch), trial.make(public, shares))


def check_public(public: PublicKey, wellformed_proof: bytes, trial_proof: bytes,
                 minimum_bits: int = MINIMUM_BITS) -> None:
    """Refuse MALFORMED or BAD_PROOF a public key that does not prove itself, part by part.

    Checked: sizes, N's form and proofs, v derived from (N, epoch), units, the Feldman relation
    v_i = prod coefficients_k^(i^k), and the trial decryptions of all shares.
    """
    _check_form(public, minimum_bits)
    wellformed.verify(public.modulus, public.epoch, wellformed_proof)
    if public.base != verification_base(public.modulus, public.epoch):
        raise Refused(Refusal.BAD_PROOF, "the public key's base of verification is not the derived one")
    n, square = mpz(public.modulus), mpz(public.modulus_squared)
    for value in (*public.verification, *public.coefficients):
        if not 0 < value < square or gmpy2.gcd(value, n) != 1:
            raise Refused(Refusal.MALFORMED, "a verification value of the public key is no unit mod N^2")
    if public.coefficients[0] % n != 1:
        raise Refused(Refusal.BAD_PROOF, "the public key's first coefficient does not open to a plaintext")
    for index, value in enumerate(public.verification, start=1):
        expected = mpz(1)
        for coefficient in reversed(public.coefficients):  # Horner in the exponent
            expected = gmpy2.powmod(expected, index, square) * coefficient % square
        if value != expected:
            raise Refused(Refusal.BAD_PROOF, f"verification value {index} is not on the shared polynomial")
    trial.verify(public, trial_proof)


def _check_form(public: PublicKey, minimum_bits: int) -> None:
    n, t = public.key_holders, public.threshold
    if not minimum_bits <= public.bits <= MAXIMUM_BITS:
        raise Refused(Refusal.MALFORMED, f"a modulus of {public.bits} bits is not accepted")
    if not 1 <= t <= n <= MAXIMUM_KEY_HOLDERS:
        raise Refused(Refusal.MALFORMED, f"{t} of {n} key holders is not possible")
    if len(public.verification) != n or len(public.coefficients) != t or public.epoch < 0:
        raise Refused(Refusal.MALFORMED, "the public key has a wrong number of verification values")
    if not 0 <= public.refreshes <= (MAXIMUM_REFRESHES if t > 1 else 0):
        raise Refused(Refusal.MALFORMED, f"shares of {t} of {n} cannot be refreshed {public.refreshes} times")
