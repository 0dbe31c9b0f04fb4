"""`phe`, python-paillier, with gmpy2: the Paillier that most Python programs use.

It is GPL: only benchmarks, tests and the interop extra may touch it.
"""

from collections.abc import Sequence
from typing import Any, Final

from cotally.server.ops.bench.rows import Missing

NAME: Final = "phe"


class Phe:
    """Encrypts, adds and decrypts integers one by one, as its documentation shows."""

    def __init__(self, p: int, q: int) -> None:
        try:
            from phe import paillier, util
        except ImportError:
            raise Missing("phe is not installed (make bench installs it)") from None
        if not util.HAVE_GMP:
            raise Missing("phe does not find gmpy2, without which it is no fair peer")
        self._public = paillier.PaillierPublicKey(p * q)
        self._private = paillier.PaillierPrivateKey(self._public, p, q)

    def encrypt(self, values: Sequence[int]) -> list[Any]:
        """One ciphertext per value, with fresh randomness."""
        return [self._public.encrypt(value) for value in values]

    def decrypt(self, numbers: Sequence[Any]) -> list[int]:
        """The values, by the Chinese remainder theorem."""
        return [self._private.decrypt(number) for number in numbers]

    def add(self, left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
        """Encryptions of the sums."""
        return [a + b for a, b in zip(left, right, strict=True)]
