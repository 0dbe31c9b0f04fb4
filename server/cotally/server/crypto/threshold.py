"""Decryption by t of n: partial decryptions c^(2 Delta s_i) and their interpolation.

Shoup 2000 and Damgard and Jurik 2001: shares over Z_{Nm} of d = 0 mod m, 1 mod N, so that
prod p_i^(2 lambda_i) = c^(4 Delta^2 d) = 1 + 4 Delta^2 M N mod N^2.
"""

from collections.abc import Mapping, Sequence

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import ciphertexts as wire
from .keys import KeyShare, PublicKey
from .products import in_threads


def partial(public: PublicKey, share: KeyShare, products: Sequence[int]) -> tuple[int, ...]:
    """Return c^(2 Delta s_i) mod N^2 per product, in time that does not depend on the share's bits."""
    exponent, square = mpz(2 * public.delta * share.secret), mpz(public.modulus_squared)
    return tuple(in_threads(lambda c: int(gmpy2.powmod_sec(mpz(c), exponent, square)), products))


def combine(public: PublicKey, partials: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """Return the plaintexts (mod N) that the first t of *partials*, by share index, open.

    Refuses TOO_FEW_KEY_HOLDERS below t, MALFORMED other forms, BAD_PROOF a result that is not 1
    mod N. A wrong partial can still give a wrong plaintext: check the proofs of equality first.
    """
    if len(partials) < public.threshold:
        raise Refused(Refusal.TOO_FEW_KEY_HOLDERS,
                      f"{len(partials)} of {public.threshold} partial decryptions are there")
    indices = sorted(partials)[:public.threshold]
    length = len(partials[indices[0]])
    n, square = mpz(public.modulus), mpz(public.modulus_squared)
    for index in indices:
        if not 1 <= index <= public.key_holders or len(partials[index]) != length:
            raise Refused(Refusal.MALFORMED, f"share {index} sent partial decryptions of another form")
        wire.check_range(partials[index], public)
        for value in partials[index]:
            if gmpy2.gcd(value, n) != 1:
                raise Refused(Refusal.BAD_PROOF, f"share {index} sent a partial decryption that is no unit")
    exponents = {index: 2 * _lambda(public.delta, index, indices) for index in indices}
    scale = gmpy2.invert(4 * public.delta**2, n)
    plaintexts = []
    for position in range(length):
        opened = mpz(1)
        for index in indices:
            opened = opened * gmpy2.powmod(partials[index][position], exponents[index], square) % square
        if opened % n != 1:
            raise Refused(Refusal.BAD_PROOF, "the partial decryptions do not fit together")
        plaintexts.append(int((opened - 1) // n * scale % n))
    return tuple(plaintexts)


def _lambda(delta: int, index: int, indices: Sequence[int]) -> int:
    """Return Delta times the Lagrange coefficient of *index* at 0, an integer."""
    above, below = delta, 1
    for other in indices:
        if other != index:
            above *= -other
            below *= index - other
    return above // below
