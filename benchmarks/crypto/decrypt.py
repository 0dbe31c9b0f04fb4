"""Decryption with the whole key, by whoever has it: per value against phe, per ciphertext against HEU."""

from collections.abc import Callable, Iterable

from cotally.server.crypto.full_key import PrivateKey
from cotally.server.crypto.packing import pack, unpack
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, compare

from ..peers import heu, phe
from ..program import Workload
from . import key
from .setting import PEER_VALUES, Setting


def _values(setting: Setting) -> Iterable[Row]:
    """Ours decrypts the packed vector and unpacks it; phe decrypts PEER_VALUES values, a ciphertext each."""
    peer = setting.phe()
    encrypted = peer.encrypt(setting.vector(1, PEER_VALUES).tolist())
    decrypt, vector, packing = _decrypting(setting), _encrypted(setting), setting.packing()
    ours = Work(lambda: unpack(decrypt(vector), packing, 1), setting.values)
    yield compare(ours, Work(lambda: peer.decrypt(encrypted), PEER_VALUES),
                  setting.rounds).row("decrypt_vs_phe", phe.NAME, "values")


def _ciphertexts(setting: Setting) -> Iterable[Row]:
    """Without credit for packing: each side decrypts PEER_VALUES ciphertexts, or as many as there are."""
    peer, count = setting.heu(), min(PEER_VALUES, setting.packing().ciphertexts)
    encrypted = peer.encrypt(peer.encode(setting.vector(1, PEER_VALUES).tolist()))
    decrypt = _decrypting(setting)
    vector = _encrypted(setting)[:count * key.public(setting.bits, Encryption.DJN).ciphertext_bytes]
    yield compare(Work(lambda: decrypt(vector), count), Work(lambda: peer.decrypt(encrypted), PEER_VALUES),
                  setting.rounds).row("decrypt_ciphertext_vs_heu", heu.NAME, "ciphertexts")


def _encrypted(setting: Setting) -> bytes:
    plaintexts = pack(setting.vector(1), setting.packing())
    return setting.encryptor(Encryption.DJN).encrypt(plaintexts).ciphertexts


def _decrypting(setting: Setting) -> Callable[[bytes], list[int]]:
    whole, public = PrivateKey(*key.primes(setting.bits)), key.public(setting.bits, Encryption.DJN)
    return lambda vector: whole.decrypt(vector, public)


WORKLOADS = (Workload(("decrypt_vs_phe",), _values), Workload(("decrypt_ciphertext_vs_heu",), _ciphertexts))
