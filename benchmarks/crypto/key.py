"""Moduli for benchmarks: products of fixed, published safe primes. Never use them for anything else.

A key dealt anew would be as fast; fixed ones save a minute a run and make runs alike. 2048 bits is
for quick looks.
"""

from dataclasses import replace
from functools import cache
from typing import Final

from cotally.server.crypto.ceremony import _deal_from_primes
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.model.encryption import Encryption

_PRIMES: Final[dict[int, tuple[str, str]]] = {
    2048: (
        "ef223e17530e81bbb93c3b85293939c797bb112afe533472ee0118ceea518e6a403decfcb51f2c48035a12bfc3dce165"
        "c2ce47e9513dfc4f006041a59544906aad0d20f35b3dfd69209ed99fbb5f7fec439e98226a78d33dc165a7b4b4d8f855"
        "978aea489bbe3a48f600e30866daebd4a35441df941f204a3d99a8c30509b40f",
        "f6ffe7c1e8bc45221b8f3bbc95c67f0015cb58a46303b46d1cef433ac24d79fd2a481a0278ad9e41b75f688691421afe"
        "147e9cd12f16ab7170130b50f8433b4dc9d9686b049d70d3300cb6e558f567c958da8ca8dae5ccfd8e5e820dfc7b9d73"
        "436697eb3ed74afe024d92841c72ac7d1e56749de5fa05815f88b601c3d56edb",
    ),
    3072: (
        "da75a9de7c95204c122ca1997a9b6662597c93d27f4c72035c779caa6e20664443e828f589440e3eccb1a2f042cdb02d"
        "f7e2021f6c2751761920d85d4076c9f7e916a4c9dd1320dfb5c098321883e3d35ded7215ea000d0ccd654f212f9d53e2"
        "a8d8e7188e06faa7a12a0bb5eb761dfd3b1525e1ca135414d80c847200c96b5b1fbce62f05734bba8dc6af0f3cc0b9ff"
        "a65d2571738e15c5f6ebb21478462096a725f406aa23235b5acd58cf4960285fef5e72742f83cc89c1cf853a6b2940df",
        "f8590084494433ea82532d650161c0112d071a38ecfad06c402973fb0c5f09f85ad600564cf6e884c971ba8cd77d389c"
        "3cac68837a3c56ad4edc499ca3ee08f7cd1f1ed4707e634941f213b24368c392c2bb443a8f8e2c6e29368bc687e6a384"
        "1c7d0d0ffba28fc7cc082149b2db754ff0e945d5bd45b03f1a94f92a24694821b2fcd13a4cad13fd670ede897e230e7e"
        "e702f4e6f0ec274f522be4596157edd9d2f2acfb4f61b1a00d43396dbeb49350175bf81938e02f3cff952fa62513bffb",
    ),
    4096: (
        "cdd5ddb18284516fa865a8a4472dd46b9c3029f4f86b848a105d874c0f566d3f1604bf39f591356c06fc10cbb5317fc9"
        "02ed1e8854695876b9a6a49f18d9bdbbcb121f5b5c16a0892ec7220092ecaccce6dff9d6e713795f570c70fbe88171b8"
        "7001a858720f48e9f147d9dd26da7698296cd123f8d7d13a81a73e7daed67d9b4e2104bd87d2b25388a992adb34b2925"
        "7730d49eb34eed390dd2717bcfa350a8cac4df6d1ea3b1ab622c99e5748b14f46923d85bdb4d1593941e24d332476960"
        "2fb72ee5df37bbc863a0ed561fd29e72d75e379baa3ef3154a2dc06fd69bc593490250496c0f2adca5f9579f7746ea81"
        "dfe43290fc4bb284c3a144c8deb00127",
        "ed38a4102abaefc08e8231331d62f48f8bbecce1ed0d02f11dd1834a55a775bcd774c34e04157cccdf01e28a56e5108e"
        "6dad9184fb4f53fcd63bb3388023f94a715289048734abf0f13823f927636c6e15eb5eb807aafc4f2f1076a8a563a16d"
        "ef406f4b46321a1bf288be934864706924f92e166b64da19a16baed45858e4fef3a6ad340fe9e38066c08e5cf35cdb67"
        "f07c8a5d72e8f87f7c7b81db261fdecf32419430782362d83e38b061eefc9557b4aecbe23e20e967600a0e5d30b612c0"
        "ad2c450c71d0e43d572dc64957460761aad9042b3321026df7f1637fd94039681a5960cb88416f9b88ee2bc16e371183"
        "32afe68bf611b0ecf36b7172ae6e80b7",
    ),
}
_COEFFICIENT: Final = 0x6B9D3E51A7C2F8044D1E9B7730A5C6E2  # of the sharing polynomial, repeated to length


def primes(bits: int) -> tuple[int, int]:
    """The two factors of the modulus of *bits* bits: 2048, 3072 or 4096."""
    p, q = _PRIMES[bits]
    return int(p, 16), int(q, 16)


def public(bits: int, mode: Encryption) -> PublicKey:
    """The public key, dealt 2 of 3, of a federation that encrypts in *mode*."""
    return replace(_dealt(bits)[0], encryption=mode)


def share(bits: int) -> KeyShare:
    """The first holder's share of it."""
    return _dealt(bits)[1]


@cache
def _dealt(bits: int) -> tuple[PublicKey, KeyShare]:
    coefficient = int(f"{_COEFFICIENT:032x}" * (2 * bits // 128), 16) >> 8
    dealt = _deal_from_primes(*primes(bits), 3, 2, 1, [coefficient])
    return dealt.public, dealt.shares[0]
