"""SecretFlow HEU, the fastest Paillier in C++ with a Python wheel; Apache 2.0.

Its schema is `ZPaillier`, the fastest of its Paillier schemas at 3072 bits: exponents of half the
modulus' bits and a cached table, like our `djn`. It deals a key of its own, of the same length.
Encoding Python's integers for it is not timed.
"""

from collections.abc import Sequence
from typing import Any, Final

from cotally.server.ops.bench.rows import Missing

NAME: Final = "HEU"


class Heu:
    """Encrypts, adds and decrypts arrays of integers, one ciphertext per integer."""

    def __init__(self, key_bits: int) -> None:
        try:
            from heu import numpy, phe
        except ImportError:
            raise Missing("sf-heu is not installed (make bench does, where it has a wheel)") from None
        self._kit: Any = numpy.setup(phe.SchemaType.ZPaillier, key_bits)

    def encode(self, values: Sequence[int]) -> Any:
        """*values*, of any size below half the modulus, as its array of plaintexts."""
        return self._kit.array(list(values), self._kit.bigint_encoder())

    def encrypt(self, encoded: Any) -> Any:
        """An array of ciphertexts, with fresh randomness."""
        return self._kit.encryptor().encrypt(encoded)

    def decrypt(self, encrypted: Any) -> Any:
        """The array of plaintexts."""
        return self._kit.decryptor().decrypt(encrypted)

    def add(self, left: Any, right: Any) -> Any:
        """Encryptions of the sums."""
        return self._kit.evaluator().add(left, right)
