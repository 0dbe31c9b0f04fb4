"""How a federation masks its ciphertexts: part of the roster's policy, so that all departments do alike."""

from enum import IntEnum


class Encryption(IntEnum):
    """What hides a plaintext m in c = (1 + m N) * mask mod N^2; the values are those on the wire.

    - DJN: h_s^r with |N|/2-bit r (Damgard, Jurik and Nielsen 2010), the default.
    - SHORT: h_s^r with 512-bit r, which rests on a short-exponent assumption in the full group.
    - TEXTBOOK: r^N with r uniform mod N (Paillier 1999), some twenty times slower.
    """

    DJN = 1
    SHORT = 2
    TEXTBOOK = 3

    @property
    def spelling(self) -> str:
        """The mode as specs and people write it."""
        return self.name.lower()
