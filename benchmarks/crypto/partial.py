"""Threshold decryption: partial decryptions in constant time against plain powers, and their proof."""

import secrets
from collections.abc import Iterable

import gmpy2
from gmpy2 import mpz

from cotally.server.crypto import threshold
from cotally.server.crypto.equality_proof import Prover
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, compare, duration

from ..program import Workload
from . import key
from .setting import PEER_VALUES, Setting


def _vs_powmod(setting: Setting) -> Iterable[Row]:
    """The same powers of the same numbers by `gmpy2.powmod`, which is faster than constant time allows."""
    public, share, products = _statement(setting)
    ring, exponent, square = public.ring, threshold.exponent(public, share), mpz(public.modulus_squared)
    bases = [mpz(number) for number in ring.numbers(products)]
    ours = Work(lambda: threshold.partial(public, share, products), PEER_VALUES)
    peer = Work(lambda: [gmpy2.powmod(base, exponent, square) for base in bases], PEER_VALUES)
    yield compare(ours, peer, setting.rounds).row("partial_vs_powmod", "gmpy2.powmod", "ciphertexts")


def _proof_share(setting: Setting) -> Iterable[Row]:
    """What the batch's proof adds to its partial decryptions, as a share of both."""
    public, share, products = _statement(setting)
    rounds = min(setting.rounds, 3)
    powers = duration(Work(lambda: threshold.partial(public, share, products)), rounds).seconds
    both = duration(Work(lambda: Prover(public, share, products).prove(b"benchmark")), rounds).seconds
    yield Row(row="partial_proof_share", share=max(both - powers, 0.0) / both)


def _statement(setting: Setting) -> tuple[PublicKey, KeyShare, bytes]:
    """PEER_VALUES numbers below N^2: what they encrypt makes no difference."""
    public = key.public(setting.bits, Encryption.DJN)
    numbers = [secrets.randbelow(public.modulus_squared - 1) + 1 for _ in range(PEER_VALUES)]
    return public, key.share(setting.bits), public.ring.vector(numbers)


WORKLOADS = (Workload(("partial_vs_powmod",), _vs_powmod), Workload(("partial_proof_share",), _proof_share))
