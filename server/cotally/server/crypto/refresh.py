"""Share refresh without a dealer: every holder adds a sharing of zero to everybody's share.

Herzberg, Jarecki, Krawczyk and Yung 1995 for a group of hidden order, over the integers. N, the key
epoch and what ciphertexts open to stay; shares from before a refresh are useless beside those after.

  1. Holder j draws g_j(X) = b_1 X + ... + b_(t-1) X^(t-1), each b_k uniform below 2^B.
  2. It publishes v^(Delta b_k) (Feldman 1987) and sends g_j(i) to holder i alone.
  3. Holder i checks 0 <= g_j(i) < bound and v^(Delta g_j(i)) = prod_k C_jk^(i^k), for every j.
  4. s_i becomes F s_i + sum_j g_j(i), with F = Delta at the first refresh and 1 at later ones.
  5. Everybody computes the new v_i and coefficient commitments from the old ones and the C_jk.

Why Delta, once. Whoever held t-1 shares before and t-1 others after (`set B`) knows F s_i + g(i) for i
in B. To learn nothing, any other s'_i must explain that as well, by other b: the difference F (s_i - s'_i)
has to be a value that such polynomials take on B with integer b. Their inverse Vandermonde matrix has
denominators that divide i! (n-i)!, so multiples of Delta = n! are such values; integers in general are
not (the parity of s_2 would show in s_2 + 2 b_1). After the first refresh every difference is one.
Why B. The b that explain differ by at most 2 (t-1) N^2 Delta (n+1)!; `PublicKey.refresh_bits` has 128
bits more, which puts both worlds within (t-1) 2^-128 of each other, commitments aside: they hide b
as far as discrete logarithms in the squares mod N^2 are hard, like the ceremony's own.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Misconfigured, Refusal, Refused

from .ceremony import MAXIMUM_REFRESHES
from .keys import KeyShare, PublicKey
from .threshold import check_share


@dataclass(frozen=True, slots=True)
class ZeroSharing:
    """One holder's polynomial g_j, with g_j(0) = 0. Never printed, never kept."""

    commitments: tuple[int, ...]  # v^(Delta b_k) mod N^2 for k = 1..t-1
    _coefficients: tuple[int, ...] = field(repr=False)

    def __repr__(self) -> str:
        return "ZeroSharing(...)"

    def at(self, index: int) -> int:
        """The sub-share g_j(index) of holder *index*."""
        return sum(b * index**k for k, b in enumerate(self._coefficients, start=1))


def check_possible(public: PublicKey) -> None:
    """Raise Misconfigured where a refresh cannot be."""
    if public.threshold < 2:
        raise Misconfigured("where one key holder decrypts alone, every share is the whole key: there is "
                            "nothing to refresh; rotate to a new key instead")
    if public.refreshes >= MAXIMUM_REFRESHES:
        raise Misconfigured(f"the shares were refreshed {public.refreshes} times; rotate to a new key")


def share_zero(public: PublicKey) -> ZeroSharing:
    """Return a fresh sharing of zero among this key's holders, from the operating system's randomness."""
    check_possible(public)
    drawn = tuple(secrets.randbits(public.refresh_bits) for _ in range(public.threshold - 1))
    return ZeroSharing(tuple(_commit(public, b) for b in drawn), drawn)


def check_commitments(public: PublicKey, commitments: Sequence[int], dealer: str) -> None:
    """Refuse commitments of *dealer* that are not t-1 units mod N^2."""
    if len(commitments) != public.threshold - 1:
        raise Refused(Refusal.MALFORMED, f"{dealer} commits to {len(commitments)} coefficients, not to "
                                         f"{public.threshold - 1}")
    for value in commitments:
        if not 0 < value < public.modulus_squared or gmpy2.gcd(value, public.modulus) != 1:
            raise Refused(Refusal.MALFORMED, f"{dealer} commits to a value that is no unit mod N^2")


def check_subshare(public: PublicKey, index: int, value: int, commitments: Sequence[int],
                   dealer: str) -> None:
    """Refuse BAD_PROOF a sub-share of holder *index* that is too large or not what *dealer* committed to."""
    if not 0 <= value < public.subshare_bound:
        raise Refused(Refusal.BAD_PROOF, f"{dealer} dealt a sub-share out of range to share {index}")
    if _commit(public, value) != _opened(public, index, commitments):
        raise Refused(Refusal.BAD_PROOF,
                      f"{dealer} dealt a sub-share to share {index} that its commitments do not open to")


def refreshed_key(public: PublicKey, dealt: Sequence[Sequence[int]]) -> PublicKey:
    """Return the public key after all holders' commitments *dealt*; N, v and the epoch stay."""
    check_possible(public)
    square, factor = mpz(public.modulus_squared), _factor(public)
    coefficients = [gmpy2.powmod(c, factor, square) for c in public.coefficients]
    verification = [gmpy2.powmod(v, factor, square) for v in public.verification]
    for commitments in dealt:
        for k, c in enumerate(commitments, start=1):
            coefficients[k] = coefficients[k] * c % square
        for at in range(public.key_holders):
            verification[at] = verification[at] * _opened(public, at + 1, commitments) % square
    return replace(public, refreshes=public.refreshes + 1, coefficients=tuple(map(int, coefficients)),
                   verification=tuple(map(int, verification)))


def refreshed_share(public: PublicKey, share: KeyShare, subshares: Mapping[str, int],
                    commitments: Mapping[str, Sequence[int]]) -> KeyShare:
    """Return *share* of the key *public* after adding everybody's sub-shares, by dealer.

    Refuses by name a dealer whose commitments or sub-share are wrong, and raises Misconfigured for a
    share of another key.
    """
    check_share(public, share)
    if len(commitments) != public.key_holders or set(subshares) != set(commitments):
        raise Refused(Refusal.TOO_FEW_KEY_HOLDERS, f"{len(commitments)} of {public.key_holders} key holders "
                                                   "dealt; a refresh needs all of them")
    for dealer, committed in commitments.items():
        check_commitments(public, committed, dealer)
        check_subshare(public, share.index, subshares[dealer], committed, dealer)
    return KeyShare(share.index, _factor(public) * share.secret + sum(subshares.values()))


def _factor(public: PublicKey) -> int:
    return 1 if public.refreshes else public.delta


def _commit(public: PublicKey, secret: int) -> int:
    return int(gmpy2.powmod_sec(mpz(public.base), mpz(public.delta * secret), mpz(public.modulus_squared)))


def _opened(public: PublicKey, index: int, commitments: Sequence[int]) -> int:
    """Return prod C_k^(index^k) mod N^2, by Horner in the exponent."""
    square, opened = mpz(public.modulus_squared), mpz(1)
    for commitment in reversed(commitments):
        opened = gmpy2.powmod(opened * commitment % square, index, square)
    return int(opened)
