"""h_s, the base of the masking factor, and v, the base of verification: derived, never chosen.

Both come from an extendable hash of (N, epoch), so that nobody, the dealer included, can pick a
base with a trapdoor or of small order, and every party recomputes them.
"""

from functools import lru_cache
from itertools import count

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from .transcript import expand


@lru_cache(maxsize=32)
def masking_base(modulus: int, epoch: int) -> int:
    """Return h_s = (-x^2 mod N)^N mod N^2, with x hashed from (N, epoch).

    Raises Refused MALFORMED if x shares a factor with N, which an honest N makes negligible.
    Source: Damgard, Jurik, Nielsen 2010, "A generalization of Paillier's public-key system", section 4.
    """
    n = mpz(modulus)
    width = (modulus.bit_length() + 7) // 8
    x = mpz(int.from_bytes(expand(width + 16, b"cotally/v1/generator", modulus, epoch), "big")) % n
    if gmpy2.gcd(x, n) != 1:
        raise Refused(Refusal.MALFORMED, "the modulus shares a factor with its own generator")
    return int(gmpy2.powmod(-x * x % n, n, n * n))


@lru_cache(maxsize=32)
def verification_base(modulus: int, epoch: int) -> int:
    """Return v = x^2 mod N^2, with x hashed from (N, epoch) and prime to N.

    Modulo a product of safe primes v generates the squares but for a negligible chance
    (Shoup 2000, "Practical threshold signatures", section 3).
    """
    n = mpz(modulus)
    width = (2 * modulus.bit_length() + 7) // 8
    for attempt in count():
        stream = expand(width + 16, b"cotally/v1/base", modulus, epoch, attempt)
        x = mpz(int.from_bytes(stream, "big")) % (n * n)
        if gmpy2.gcd(x, n) == 1:
            return int(x * x % (n * n))
    raise AssertionError("unreachable")
