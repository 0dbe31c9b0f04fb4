"""Secrets for one recipient: an X25519 exchange with an ephemeral key, HKDF-SHA-256, AES-256-GCM.

The key is used for one message, so the nonce is constant. Both public keys and the caller's context
go into the derivation; who sent it is a matter of the signature around it.
"""

from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cotally.v1.refusals import Misconfigured, Refusal, Refused

from . import private_files
from .transcript import frame

KEY_BYTES: Final = 32
_NONCE: Final = bytes(12)


class RecipientKey:
    """A private X25519 key to receive secrets under. Never printed."""

    __slots__ = ("_key", "public")

    public: bytes

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "RecipientKey":
        """Return a fresh key from the operating system's randomness."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "RecipientKey":
        """Return the key in *path*; refuse a lax mode and another form."""
        data = private_files.read(path)
        if len(data) != KEY_BYTES:
            raise Misconfigured(f"{path}: this is not a recipient key")
        return cls(X25519PrivateKey.from_private_bytes(data))

    def save(self, path: Path) -> None:
        """Write the key to the new file *path* of mode 0600."""
        private_files.write(path, self._key.private_bytes_raw())

    def open(self, ephemeral: bytes, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed for this key in *context*; refuse BAD_PROOF anything else."""
        try:
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
            return _cipher(shared, ephemeral, self.public, context).decrypt(_NONCE, sealed, None)
        except (InvalidTag, ValueError):
            raise Refused(Refusal.BAD_PROOF, "a sealed secret does not open") from None

    def __repr__(self) -> str:
        return f"RecipientKey(public={self.public.hex()})"


def seal(secret: bytes, recipient: bytes, context: bytes) -> tuple[bytes, bytes]:
    """Return (ephemeral, sealed) of *secret* for the X25519 key *recipient*; refuse a useless key."""
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    except ValueError:
        raise Refused(Refusal.MALFORMED, "a recipient key is no X25519 key that can be used") from None
    return public, _cipher(shared, public, recipient, context).encrypt(_NONCE, secret, None)


def _cipher(shared: bytes, ephemeral: bytes, recipient: bytes, context: bytes) -> AESGCM:
    info = frame(b"cotally/v1/sealed-subshare", ephemeral, recipient, context)
    return AESGCM(HKDF(SHA256(), 32, None, info).derive(shared))
