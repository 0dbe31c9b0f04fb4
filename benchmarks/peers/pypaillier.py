"""`pypaillier`, a Rust implementation on GMP with short exponents and tables; the wheel is LGPL."""

from collections.abc import Sequence
from typing import Any, Final

from cotally.server.ops.bench.rows import Missing

NAME: Final = "pypaillier"


class Pypaillier:
    """Encrypts, adds and decrypts lists of integers, one ciphertext per integer, on a key of its own."""

    def __init__(self, key_bits: int) -> None:
        try:
            import paillier
        except ImportError:
            raise Missing("pypaillier is not installed (make bench does, where it has a wheel)") from None
        self._module: Any = paillier
        self._public, self._secret = paillier.generate_keypair(key_bits)

    def encrypt(self, values: Sequence[int]) -> Any:
        """One ciphertext per integer, with fresh randomness."""
        return self._module.encrypt_integers(self._public, values)

    def decrypt(self, encrypted: Any) -> Any:
        """The integers, in decimal."""
        return self._module.decrypt_many(self._secret, encrypted)
