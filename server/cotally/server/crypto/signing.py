"""Ed25519 signatures (RFC 8032) and the files that hold their keys."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cotally.v1.refusals import Misconfigured

from . import private_files


class SigningKey:
    """A member's private signing key. Never printed."""

    __slots__ = ("_key", "public")

    public: bytes  # the raw public key, 32 bytes

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "SigningKey":
        """Return a fresh key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of *data*."""
        return self._key.sign(data)

    def save(self, path: Path) -> None:
        """Write the key as PKCS#8 PEM to the new file *path* of mode 0600."""
        private_files.write(path, self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Return the key in *path*; refuse a lax mode and anything but an Ed25519 PEM."""
        data = private_files.read(path)
        try:
            key = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Misconfigured(f"{path} does not hold an unencrypted Ed25519 key in PEM")
        return cls(key)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


def verify(public: bytes, data: bytes, signature: bytes) -> bool:
    """Return whether *signature* is *public*'s over *data*; false for keys of a wrong length too."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
