"""Two processors against one: the vector's encryption, and partial decryptions."""

from collections.abc import Iterable

from cotally.server.crypto import threshold
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import Row

from ..processors import two_against_one
from ..program import Workload
from . import encrypt, key
from .setting import PEER_VALUES, Setting


def _encrypting(setting: Setting) -> Iterable[Row]:
    work = encrypt.ours(setting, Encryption.DJN)
    yield two_against_one(work.run, work.amount, setting.rounds, "threads_2_vs_1", "values")


def _decrypting(setting: Setting) -> Iterable[Row]:
    public, share = key.public(setting.bits, Encryption.DJN), key.share(setting.bits)
    products = public.ring.vector([public.base + k for k in range(PEER_VALUES)])
    yield two_against_one(lambda: threshold.partial(public, share, products), PEER_VALUES, setting.rounds,
                          "threads_2_vs_1_partial", "ciphertexts")


WORKLOADS = (Workload(("threads_2_vs_1",), _encrypting), Workload(("threads_2_vs_1_partial",), _decrypting))
