"""What the workloads of the crypto suite share: the key, the vector, and the peers, each made once."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from cotally.server.crypto.packing import WIDEST
from cotally.server.crypto.paillier import Encryptor
from cotally.server.model.encryption import Encryption
from cotally.server.model.packing import Packing, Run

from ..peers.heu import Heu
from ..peers.phe import Phe
from ..peers.pypaillier import Pypaillier
from . import key

PEER_VALUES: Final = 32  # values that a slow peer is timed on, in each round; its time is scaled
WORD: Final = 64  # bits of an int64
MODES: Final = (Encryption.DJN, Encryption.SHORT)


@dataclass(frozen=True, slots=True)
class Setting:
    """Bits of the modulus, values of a vector, timed rounds; *departments* for the sum of many."""

    bits: int
    values: int
    rounds: int
    departments: int

    def encryptor(self, mode: Encryption) -> Encryptor:
        """What encrypts in *mode*, its table built."""
        encryptor = Encryptor(key.public(self.bits, mode))
        encryptor.warm()
        return encryptor

    def packing(self, values: int | None = None) -> Packing:
        """As many slots to a plaintext as 64-bit slots would be, however narrow ours are.

        Our slots hold at most WIDEST bits, bias and the sum over all departments included.
        """
        count = self.values if values is None else values
        return Packing((Run(count, WIDEST, self.bias),), WIDEST * ((self.bits - 1) // WORD))

    @property
    def bias(self) -> int:
        """Values lie within it on either side of 0, as widely as the sum of two vectors allows."""
        return (1 << WIDEST - 2) - 1

    def vector(self, seed: int, values: int | None = None) -> npt.NDArray[np.int64]:
        """*values* integers, uniform in -bias..bias; the same ones for the same seed."""
        count = self.values if values is None else values
        return np.random.default_rng(seed).integers(-self.bias, self.bias, count, np.int64, endpoint=True)

    def phe(self) -> Phe:
        """phe, on our key. Raises Missing."""
        return _phe(self.bits)

    def heu(self) -> Heu:
        """HEU, on a key of its own. Raises Missing."""
        return _heu(self.bits)

    def pypaillier(self) -> Pypaillier:
        """pypaillier, on a key of its own. Raises Missing."""
        return _pypaillier(self.bits)


@cache
def _phe(bits: int) -> Phe:
    return Phe(*key.primes(bits))


@cache
def _heu(bits: int) -> Heu:
    return Heu(bits)


@cache
def _pypaillier(bits: int) -> Pypaillier:
    return Pypaillier(bits)
