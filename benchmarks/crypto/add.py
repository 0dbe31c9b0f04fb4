"""Homomorphic addition of two encrypted vectors: per value against phe, per ciphertext against HEU."""

from collections.abc import Iterable

from cotally.server.crypto.aggregation import multiply
from cotally.server.crypto.packing import pack
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, compare

from ..peers import heu, phe
from ..program import Workload
from . import key
from .setting import PEER_VALUES, Setting


def _values(setting: Setting) -> Iterable[Row]:
    """The product alone, from bytes to bytes; phe adds PEER_VALUES pairs, a ciphertext per value.

    Neither looks for common factors with N. `add_checked` does: it is the coordinator's door.
    """
    peer, ring = setting.phe(), key.public(setting.bits, Encryption.DJN).ring
    left, right = _vectors(setting)
    some, others = (peer.encrypt(setting.vector(seed, PEER_VALUES).tolist()) for seed in (1, 2))
    theirs = Work(lambda: peer.add(some, others), PEER_VALUES)
    ours = Work(lambda: ring.multiply(left, right), setting.values)
    yield compare(ours, theirs, setting.rounds).row("add_vs_phe", phe.NAME, "values")
    yield compare(_checked(setting), theirs, setting.rounds).row("add_checked_vs_phe", phe.NAME, "values")


def _ciphertexts(setting: Setting) -> Iterable[Row]:
    """Without credit for packing: HEU adds as many ciphertexts as we do."""
    peer, count = setting.heu(), max(PEER_VALUES, setting.packing().ciphertexts)
    some, others = (peer.encrypt(peer.encode(setting.vector(seed, count).tolist())) for seed in (1, 2))
    (left, right), ring = _vectors(setting), key.public(setting.bits, Encryption.DJN).ring
    yield compare(Work(lambda: ring.multiply(left, right), setting.packing().ciphertexts),
                  Work(lambda: peer.add(some, others), count),
                  setting.rounds).row("add_ciphertext_vs_heu", heu.NAME, "ciphertexts")


def _checked(setting: Setting) -> Work:
    """The sum with everything that is checked of vectors from departments."""
    public, count = key.public(setting.bits, Encryption.DJN), setting.packing().ciphertexts
    parts = [(f"part {number}", vector) for number, vector in enumerate(_vectors(setting))]
    return Work(lambda: multiply(parts, count, public), setting.values)


def _vectors(setting: Setting) -> list[bytes]:
    encryptor, packing = setting.encryptor(Encryption.DJN), setting.packing()
    return [encryptor.encrypt(pack(setting.vector(seed), packing)).ciphertexts for seed in (1, 2)]


WORKLOADS = (Workload(("add_vs_phe", "add_checked_vs_phe"), _values),
             Workload(("add_ciphertext_vs_heu",), _ciphertexts))
