"""Tables of powers, made once per key; they hold public values only, at most 64 MiB each."""

from functools import lru_cache
from typing import Final

from .arithmetic import FixedBase, Ring
from .keys import PublicKey

SLACK_BITS: Final = 256  # by which a proof's nonce outgrows what it hides
CHALLENGE_BITS: Final = 128  # of challenges and of weights
COUNT_BITS: Final = 32  # of the number of ciphertexts in one vector

_ENCRYPTING_BYTES: Final = 64 << 20
_CHECKING_BYTES: Final = 20 << 20
_VERIFICATION_BYTES: Final = 40 << 20


def mask_nonce_bits(public: PublicKey) -> int:
    """Return the bits of a plaintext proof's nonce: of e sum(w_k r_k), however many there are, plus slack."""
    return public.randomness_bits + 2 * CHALLENGE_BITS + COUNT_BITS + SLACK_BITS


def share_nonce_bits(public: PublicKey) -> int:
    """Return the bits of an equality proof's nonce: of e Delta s_i, refreshed shares included, plus slack."""
    return public.share_bits + public.delta.bit_length() + CHALLENGE_BITS + SLACK_BITS


def encrypting_table(public: PublicKey) -> FixedBase:
    """Return the table of h_s for a node, its proof's nonce included: at most 64 MiB."""
    return _table(public.ring, public.generator, mask_nonce_bits(public) + 1, _ENCRYPTING_BYTES)


def checking_table(public: PublicKey) -> FixedBase:
    """Return the table of h_s for who checks proofs: smaller, hence sooner built (at most 20 MiB)."""
    return _table(public.ring, public.generator, mask_nonce_bits(public) + 1, _CHECKING_BYTES)


def verification_table(public: PublicKey) -> FixedBase:
    """Return the table of v for who checks partial decryptions (at most 40 MiB)."""
    return _table(public.ring, public.base, share_nonce_bits(public) + 1, _VERIFICATION_BYTES)


@lru_cache(maxsize=4)
def _table(ring: Ring, base: int, exponent_bits: int, table_bytes: int) -> FixedBase:
    return ring.fixed_base(base, exponent_bits, table_bytes)
