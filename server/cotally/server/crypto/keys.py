"""The federation's public key and one holder's share of the secret key."""

from dataclasses import dataclass, field
from math import factorial
from typing import Final

from cotally.server.model.encryption import Encryption

from . import backend
from .arithmetic import Ring
from .generator import masking_base

SHORT_BITS: Final = 512  # of an exponent under SHORT


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A Paillier modulus N with g = N + 1, and what the ceremony published to check shares by.

    `base` is v, `verification` holds v_i = v^(Delta s_i) for shares 1..n and `coefficients`
    v^(Delta a_k) for k = 0..t-1, all mod N^2, where Delta = n! and s_i = sum a_k i^k. The first of
    the `refreshes` of the shares multiplied them by Delta (crypto/refresh).
    """

    modulus: int
    epoch: int
    key_holders: int  # n
    threshold: int  # t
    base: int
    verification: tuple[int, ...]
    coefficients: tuple[int, ...]
    refreshes: int = 0
    encryption: Encryption = Encryption.DJN  # the policy's

    @property
    def bits(self) -> int:
        """Bits of N."""
        return self.modulus.bit_length()

    @property
    def modulus_squared(self) -> int:
        """N^2, the modulus of ciphertexts."""
        return self.modulus * self.modulus

    @property
    def ring(self) -> Ring:
        """The integers mod N^2 in the width of a ciphertext. Refuses MALFORMED an even modulus."""
        return backend.ring(self.modulus_squared, self.ciphertext_bytes)

    @property
    def ciphertext_bytes(self) -> int:
        """Width of one ciphertext on the wire."""
        return 2 * self.modulus_bytes

    @property
    def modulus_bytes(self) -> int:
        """Width of one residue mod N."""
        return (self.bits + 7) // 8

    @property
    def generator(self) -> int:
        """h_s, recomputed from N and epoch (and remembered)."""
        return masking_base(self.modulus, self.epoch)

    @property
    def randomness_bits(self) -> int:
        """Bits of what hides a plaintext: an exponent of h_s, or under TEXTBOOK a residue mod N."""
        if self.encryption is Encryption.TEXTBOOK:
            return self.bits
        return SHORT_BITS if self.encryption is Encryption.SHORT else (self.bits + 1) // 2

    @property
    def delta(self) -> int:
        """Delta = n!, which clears the denominators of interpolation."""
        return factorial(self.key_holders)

    @property
    def opening_factor(self) -> int:
        """What t partial decryptions multiply a plaintext by: 4 Delta^2, times Delta once refreshed."""
        return 4 * self.delta ** (3 if self.refreshes else 2)

    @property
    def share_bits(self) -> int:
        """Bits of the largest share: s_i < N m < N^2 when dealt; Delta s_i and what refreshes added after."""
        if not self.refreshes:
            return 2 * self.bits
        added = self.refreshes * self.key_holders * self.subshare_bound
        return ((self.delta << 2 * self.bits) + added).bit_length()

    @property
    def refresh_bits(self) -> int:
        """Bits of a refreshing polynomial's coefficients: 128 more than what they have to hide.

        (t-1) N^2 Delta (n+1)! bounds how far the coefficients move that explain one share by another
        (crypto/refresh tells why); t and Delta are at most (n+1)!.
        """
        return 2 * self.bits + 3 * factorial(self.key_holders + 1).bit_length() + 128

    @property
    def subshare_bound(self) -> int:
        """What every sub-share g_j(i) of a refresh is below."""
        n, t = self.key_holders, self.threshold
        powers: int = sum(n**k for k in range(1, t))
        return powers << self.refresh_bits


@dataclass(frozen=True, slots=True)
class KeyShare:
    """One holder's share s_i >= 0 of the decryption exponent, below 2^share_bits. Never printed."""

    index: int  # 1..n
    secret: int = field(repr=False)

    def __repr__(self) -> str:
        return f"KeyShare(index={self.index}, secret=...)"
