"""Encryption per ciphertext: each side fills as many ciphertexts, and packing earns nothing."""

from collections.abc import Callable, Iterable

from cotally.server.crypto.packing import pack
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, compare

from ..peers import heu, phe, pypaillier
from ..program import Workload
from .setting import MODES, PEER_VALUES, Setting


def _ours(setting: Setting, mode: Encryption) -> Work:
    """Encrypt the vector's plaintexts, which are as long as the modulus allows; a unit is a ciphertext.

    Of TEXTBOOK, which takes long, PEER_VALUES of them.
    """
    encryptor, plaintexts = setting.encryptor(mode), pack(setting.vector(1), setting.packing())
    if mode is Encryption.TEXTBOOK:
        plaintexts = plaintexts[:PEER_VALUES]
    return Work(lambda: encryptor.encrypt(plaintexts), len(plaintexts))


def _heu(setting: Setting) -> Work:
    """HEU encrypts int64s one by one, its usual work, as many as we have ciphertexts."""
    peer, count = setting.heu(), max(PEER_VALUES, setting.packing().ciphertexts)
    encoded = peer.encode(setting.vector(1, count).tolist())
    return Work(lambda: peer.encrypt(encoded), count)


def _phe(setting: Setting) -> Work:
    peer, some = setting.phe(), setting.vector(1, PEER_VALUES).tolist()
    return Work(lambda: peer.encrypt(some), PEER_VALUES)


def _pypaillier(setting: Setting) -> Work:
    peer, some = setting.pypaillier(), setting.vector(1, PEER_VALUES).tolist()
    return Work(lambda: peer.encrypt(some), PEER_VALUES)


def _against(mode: Encryption, name: str, peer: str, make: Callable[[Setting], Work]) -> Workload[Setting]:
    row = f"ciphertext_{mode.spelling}_vs_{name}"

    def measure(setting: Setting) -> Iterable[Row]:
        theirs = make(setting)
        yield compare(_ours(setting, mode), theirs, setting.rounds).row(row, peer, "ciphertexts")

    return Workload((row,), measure)


WORKLOADS = (
    *(_against(mode, "heu", heu.NAME, _heu) for mode in MODES),
    *(_against(mode, "pypaillier", pypaillier.NAME, _pypaillier) for mode in MODES),
    _against(Encryption.TEXTBOOK, "phe", phe.NAME, _phe),
)
