"""Decryption by t of n: partial decryptions c^(2 Delta s_i) and their interpolation.

Shoup 2000 and Damgard and Jurik 2001: shares of d = 0 mod m and 1 mod N, so that
prod p_i^(2 lambda_i) = c^(f d) = 1 + f M N mod N^2, f being the key's opening factor.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Final

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import ciphertexts, parallel
from .keys import KeyShare, PublicKey
from .transcript import expand

_belonging: Final[set[bytes]] = set()  # digests of shares that were found to belong to their keys


def check_share(public: PublicKey, share: KeyShare) -> None:
    """Raise Misconfigured unless v^(Delta s_i) is the published v_i; looked at once per key and share."""
    bits = public.share_bits
    if not 1 <= share.index <= public.key_holders or not 0 < share.secret < 1 << bits:
        raise Misconfigured(f"key share {share.index} is not one of this public key's")
    published = public.verification[share.index - 1]
    digest = expand(32, b"cotally/v1/share", public.modulus, public.base, public.delta, published,
                    share.secret)
    if digest in _belonging:
        return
    base = public.ring.vector([public.base])
    value = public.ring.secret_powers(base, [public.delta * share.secret], public.delta.bit_length() + bits)
    if public.ring.numbers(value) != [published]:
        raise Misconfigured(f"key share {share.index} does not belong to this public key")
    _belonging.add(digest)


def partial(public: PublicKey, share: KeyShare, products: bytes) -> bytes:
    """Return c^(2 Delta s_i) mod N^2 per product, in time that does not depend on the share.

    Refuses MALFORMED products out of range; raises Misconfigured for a share of another key.
    """
    count = len(products) // public.ciphertext_bytes
    ciphertexts.check(products, count, public)
    check_share(public, share)
    exponents = [exponent(public, share)] * count
    return parallel.secret_powers(public.ring, products, exponents, exponent_bits(public))


def exponent(public: PublicKey, share: KeyShare) -> int:
    """Return 2 Delta s_i, the power that makes a partial decryption."""
    return 2 * public.delta * share.secret


def exponent_bits(public: PublicKey) -> int:
    """Return the public bound on the bits of that power."""
    return 1 + public.delta.bit_length() + public.share_bits


def combine(public: PublicKey, partials: Mapping[int, bytes]) -> list[int]:
    """Return the plaintexts (mod N) that the first t of *partials*, by share index, open.

    Refuses TOO_FEW_KEY_HOLDERS below t, MALFORMED other forms, BAD_PROOF a result that is not 1
    mod N. A wrong partial can still give a wrong plaintext: check the proofs of equality first.
    """
    if len(partials) < public.threshold:
        raise Refused(Refusal.TOO_FEW_KEY_HOLDERS,
                      f"{len(partials)} of {public.threshold} partial decryptions are there")
    indices = sorted(partials)[:public.threshold]
    count = len(partials[indices[0]]) // public.ciphertext_bytes
    if not count:
        raise Refused(Refusal.MALFORMED, f"share {indices[0]} sent no partial decryption")
    for index in indices:
        if not 1 <= index <= public.key_holders:
            raise Refused(Refusal.MALFORMED, f"there is no key share {index}")
        try:
            ciphertexts.check(partials[index], count, public)
        except Refused as error:
            raise Refused(error.refusal, f"share {index}: {error.message}") from None
        ciphertexts.check_units(partials[index], public, Refusal.BAD_PROOF,
                                f"share {index}: partial decryption")
    raised = {index: 2 * _lambda(public.delta, index, indices) for index in indices}
    above = _product(public, partials, {index: power for index, power in raised.items() if power > 0})
    below = _product(public, partials, {index: -power for index, power in raised.items() if power < 0})
    n = mpz(public.modulus)
    scale = gmpy2.invert(public.opening_factor, n)
    plaintexts = []
    for a, b in zip(above or [1] * count, below or [1] * count, strict=True):
        if (a - b) % n:  # a / b is to be 1 + f M N
            raise Refused(Refusal.BAD_PROOF, "the partial decryptions do not fit together")
        plaintexts.append(int((a - b) // n * gmpy2.invert(b, n) * scale % n))
    return plaintexts


def _product(public: PublicKey, partials: Mapping[int, bytes], powers: Mapping[int, int]) -> list[int]:
    """Return prod partials[i]^powers[i] per position; nothing for no powers."""
    raised = [parallel.powers(public.ring, partials[index], power) for index, power in powers.items()]
    return public.ring.numbers(reduce(public.ring.multiply, raised)) if raised else []


def _lambda(delta: int, index: int, indices: Sequence[int]) -> int:
    """Return Delta times the Lagrange coefficient of *index* at 0, an integer."""
    above, below = delta, 1
    for other in indices:
        if other != index:
            above *= -other
            below *= index - other
    return above // below
