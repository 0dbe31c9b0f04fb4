"""Homomorphic addition of encrypted vectors: per value against phe, per ciphertext against HEU.

A sum is over several departments, as every round's is: the arithmetic leaves Montgomery's form once,
at the end. Two lone vectors have a row of their own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

import numpy as np
import numpy.typing as npt

from cotally.server.crypto.aggregation import multiply
from cotally.server.crypto.arithmetic import Ring
from cotally.server.crypto.packing import pack
from cotally.server.model.encryption import Encryption
from cotally.server.model.packing import Packing
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, compare

from ..peers import heu, phe
from ..program import Workload
from . import key
from .setting import PEER_VALUES, Setting

DEPARTMENTS: Final = 10  # whose vectors are added


def _values(setting: Setting) -> Iterable[Row]:
    """The products alone, from bytes to bytes; phe adds PEER_VALUES values of each, a ciphertext per value.

    Neither looks for common factors with N. `add_checked` does: it is the coordinator's door.
    """
    peer, public = setting.phe(), key.public(setting.bits, Encryption.DJN)
    vectors, additions = _vectors(setting, DEPARTMENTS), DEPARTMENTS - 1
    some = [peer.encrypt(setting.vector(seed, PEER_VALUES).tolist()) for seed in range(DEPARTMENTS)]
    theirs = Work(lambda: reduce(peer.add, some), PEER_VALUES * additions)
    count, parts = setting.packing().ciphertexts, [("somebody", vector) for vector in vectors]
    for name, run, amount in (("add_vs_phe", lambda: total(public.ring, vectors), additions),
                              ("add_checked_vs_phe", lambda: multiply(parts, count, public), additions),
                              ("add_pair_vs_phe", lambda: public.ring.multiply(vectors[0], vectors[1]), 1)):
        work = Work(run, setting.values * amount)
        yield compare(work, theirs, setting.rounds).row(name, phe.NAME, "values")


def _ciphertexts(setting: Setting) -> Iterable[Row]:
    """Without credit for packing: HEU adds as many ciphertexts as we do."""
    peer, count = setting.heu(), max(PEER_VALUES, setting.packing().ciphertexts)
    some, others = (peer.encrypt(peer.encode(setting.vector(seed, count).tolist())) for seed in (1, 2))
    (left, right), ring = _vectors(setting, 2), key.public(setting.bits, Encryption.DJN).ring
    yield compare(Work(lambda: ring.multiply(left, right), setting.packing().ciphertexts),
                  Work(lambda: peer.add(some, others), count),
                  setting.rounds).row("add_ciphertext_vs_heu", heu.NAME, "ciphertexts")


def total(ring: Ring, vectors: Sequence[bytes]) -> bytes:
    """The encrypted sum of *vectors*."""
    running = ring.running_product(len(vectors[0]) // ring.width)
    for vector in vectors:
        running.multiply(vector)
    return running.result()


def packing_of(setting: Setting) -> Packing:
    """Slots as wide as everywhere, with room for the sum over all departments."""
    packing = setting.packing()
    bias = setting.bias // DEPARTMENTS + 1
    return replace(packing, runs=tuple(replace(run, bias=bias) for run in packing.runs))


def values_of(setting: Setting, department: int) -> npt.NDArray[np.int64]:
    """What a department adds."""
    return setting.vector(department) // DEPARTMENTS


def _vectors(setting: Setting, departments: int) -> list[bytes]:
    encryptor, packing = setting.encryptor(Encryption.DJN), packing_of(setting)
    return [encryptor.encrypt(pack(values_of(setting, department), packing)).ciphertexts
            for department in range(departments)]


WORKLOADS = (Workload(("add_vs_phe", "add_checked_vs_phe", "add_pair_vs_phe"), _values),
             Workload(("add_ciphertext_vs_heu",), _ciphertexts))
