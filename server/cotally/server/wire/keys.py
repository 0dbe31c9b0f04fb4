"""The federation's Paillier key between its message and the numbers that `crypto` computes with."""

from dataclasses import replace

from cotally.server.crypto.keys import PublicKey
from cotally.server.model.encryption import Encryption
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .numbers import from_bytes, to_bytes


def to_message(public: PublicKey, wellformed: bytes, trial: bytes) -> roster_pb2.PublicKey:
    """The published key with the ceremony's proofs."""
    return roster_pb2.PublicKey(
        epoch=public.epoch, modulus=to_bytes(public.modulus), key_holders=public.key_holders,
        threshold=public.threshold, base=to_bytes(public.base),
        verification=[to_bytes(v) for v in public.verification],
        coefficients=[to_bytes(v) for v in public.coefficients],
        wellformed=wellformed, trial=trial, refreshes=public.refreshes,
    )


def share_binding(public: PublicKey) -> bytes:
    """What a share file is bound to: the digest of the key without its proofs, which come after it."""
    return digest("key-shares", to_message(public, b"", b""))


def from_message(message: roster_pb2.PublicKey) -> PublicKey:
    """The key to compute with. `crypto.ceremony.check_public` decides whether it deserves trust."""
    return PublicKey(
        modulus=from_bytes(message.modulus, "the modulus"), epoch=message.epoch,
        key_holders=message.key_holders, threshold=message.threshold,
        base=from_bytes(message.base, "the verification base"),
        verification=tuple(from_bytes(v, "a verification value") for v in message.verification),
        coefficients=tuple(from_bytes(v, "a coefficient commitment") for v in message.coefficients),
        refreshes=message.refreshes,
    )


def of_charter(charter: roster_pb2.Charter) -> PublicKey:
    """The key of *charter*, which encrypts as its policy says."""
    return replace(from_message(charter.public_key), encryption=encryption(charter.roster.policy))


def encryption(policy: roster_pb2.Policy) -> Encryption:
    """How ciphertexts are masked. Refuses MALFORMED a policy that does not say."""
    try:
        return Encryption(policy.encryption)
    except ValueError:
        raise Refused(Refusal.MALFORMED, "the roster does not say how departments encrypt") from None
