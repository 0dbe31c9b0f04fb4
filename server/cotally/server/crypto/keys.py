"""The federation's public key and one holder's share of the secret key."""

from dataclasses import dataclass, field
from math import factorial

from .generator import masking_base


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A Paillier modulus N with g = N + 1, and what the ceremony published to check shares by.

    `base` is v, `verification` holds v_i = v^(Delta s_i) for shares 1..n and `coefficients`
    v^(Delta a_k) for k = 0..t-1, all mod N^2, where Delta = n! and s_i = sum a_k i^k.
    """

    modulus: int
    epoch: int
    key_holders: int  # n
    threshold: int  # t
    base: int
    verification: tuple[int, ...]
    coefficients: tuple[int, ...]

    @property
    def bits(self) -> int:
        """Bits of N."""
        return self.modulus.bit_length()

    @property
    def modulus_squared(self) -> int:
        """N^2, the modulus of ciphertexts."""
        return self.modulus * self.modulus

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
        """Bits of an encryption's exponent: half of |N|, rounded up (`djn`)."""
        return (self.bits + 1) // 2

    @property
    def delta(self) -> int:
        """Delta = n!, which clears the denominators of interpolation."""
        return factorial(self.key_holders)


@dataclass(frozen=True, slots=True)
class KeyShare:
    """One holder's share s_i of the decryption exponent, mod N m. Never printed."""

    index: int  # 1..n
    secret: int = field(repr=False)

    def __repr__(self) -> str:
        return f"KeyShare(index={self.index}, secret=...)"
