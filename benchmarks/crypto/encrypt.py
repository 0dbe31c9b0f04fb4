"""Encryption of a vector: per value against phe, and fed the same packed plaintexts against HEU."""

from collections.abc import Iterable

from cotally.server.crypto.packing import pack
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, compare

from ..peers import heu, phe
from ..program import Workload
from .setting import MODES, PEER_VALUES, Setting


def ours(setting: Setting, mode: Encryption) -> Work:
    """Pack and encrypt the whole vector; a unit is a value."""
    encryptor, packing, vector = setting.encryptor(mode), setting.packing(), setting.vector(1)
    return Work(lambda: encryptor.encrypt(pack(vector, packing)), setting.values)


def against_phe(mode: Encryption) -> Workload[Setting]:
    """phe encrypts PEER_VALUES of the same values, a ciphertext each; that is how it is used."""
    name = f"encrypt_{mode.spelling}_vs_phe"

    def measure(setting: Setting) -> Iterable[Row]:
        peer, some = setting.phe(), setting.vector(1, PEER_VALUES).tolist()
        yield compare(ours(setting, mode), Work(lambda: peer.encrypt(some), PEER_VALUES),
                      setting.rounds).row(name, phe.NAME, "values")

    return Workload((name,), measure)


def against_heu(mode: Encryption) -> Workload[Setting]:
    """HEU encrypts the plaintexts that our packing made, all of them; making them is on our bill."""
    name = f"encrypt_{mode.spelling}_vs_heu_packed"

    def measure(setting: Setting) -> Iterable[Row]:
        peer = setting.heu()
        plaintexts = pack(setting.vector(1), setting.packing())
        encoded = peer.encode((plaintexts * PEER_VALUES)[:max(PEER_VALUES, len(plaintexts))])
        amount = setting.values * max(PEER_VALUES, len(plaintexts)) // len(plaintexts)
        yield compare(ours(setting, mode), Work(lambda: peer.encrypt(encoded), amount),
                      setting.rounds).row(name, heu.NAME, "values")

    return Workload((name,), measure)


WORKLOADS = tuple(make(mode) for make in (against_phe, against_heu) for mode in MODES)
