"""The federation's Paillier key between its message and the numbers that `crypto` computes with."""

from cotally.server.crypto.keys import PublicKey
from cotally.v1 import roster_pb2

from .numbers import from_bytes, to_bytes


def to_message(public: PublicKey, wellformed: bytes, trial: bytes) -> roster_pb2.PublicKey:
    """The published key with the ceremony's proofs."""
    return roster_pb2.PublicKey(
        epoch=public.epoch, modulus=to_bytes(public.modulus), key_holders=public.key_holders,
        threshold=public.threshold, base=to_bytes(public.base),
        verification=[to_bytes(v) for v in public.verification],
        coefficients=[to_bytes(v) for v in public.coefficients],
        wellformed=wellformed, trial=trial,
    )


def from_message(message: roster_pb2.PublicKey) -> PublicKey:
    """The key to compute with. `crypto.ceremony.check_public` decides whether it deserves trust."""
    return PublicKey(
        modulus=from_bytes(message.modulus, "the modulus"), epoch=message.epoch,
        key_holders=message.key_holders, threshold=message.threshold,
        base=from_bytes(message.base, "the verification base"),
        verification=tuple(from_bytes(v, "a verification value") for v in message.verification),
        coefficients=tuple(from_bytes(v, "a coefficient commitment") for v in message.coefficients),
    )
