"""Members before they are in a roster: keys made by the dealer, or by the member itself.

`join` makes a member's TLS and signing keys where they will stay, and one request file for the
dealer. `admit` turns a request into a certificate; the private keys never leave the member.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from cotally.server.crypto import signing
from cotally.server.crypto.signing import SigningKey
from cotally.v1 import roster_pb2
from cotally.v1.refusals import Misconfigured

from . import folders, pki
from .reader import read_toml

ROLES: Final = {
    "coordinator": roster_pb2.ROLE_COORDINATOR,
    "node": roster_pb2.ROLE_NODE,
    "keyholder": roster_pb2.ROLE_KEY_HOLDER,
    "analyst": roster_pb2.ROLE_ANALYST,
}
_DOMAIN: Final = b"cotally/v1/join\0"


@dataclass(frozen=True, slots=True)
class Party:
    """One member on its way into the roster. `signer` is None where the member keeps it."""

    member: roster_pb2.Member
    folder: Path
    signer: SigningKey | None


@dataclass(frozen=True, slots=True)
class Request:
    """What a member hands to the dealer: public keys, and proof that it holds the private ones."""

    file: Path
    name: str
    role: str
    signing_key: bytes
    csr: str


def make_party(authority: pki.Authority, folder: Path, name: str, role: str, share: int,
               hosts: Sequence[str]) -> Party:
    """Make all keys of *name* in *folder*: the dealer is trusted with them."""
    files = pki.issue_files(authority, folder, name, pki.Role(role), hosts=hosts)
    signer = SigningKey.generate()
    signer.save(folder / f"{name}-signing.key")
    member = roster_pb2.Member(name=name, role=ROLES[role], signing_key=signer.public,
                               tls_key=files.tls_key, share=share)
    return Party(member, folder, signer)


def admit(authority: pki.Authority, folder: Path, request: Request, share: int,
          hosts: Sequence[str]) -> Party:
    """Certify the keys of *request*; write the certificate into *folder*, and nothing private."""
    with tempfile.TemporaryDirectory() as temporary:
        csr = Path(temporary) / f"{request.file.name}.csr"
        csr.write_text(request.csr, "utf-8")
        try:
            certificate = pki.sign_request(authority, csr, request.name, pki.Role(request.role), hosts=hosts)
        except Misconfigured as reason:
            raise Misconfigured(reason.message.replace(str(csr), str(request.file))) from None
    (folder / f"{request.name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    member = roster_pb2.Member(name=request.name, role=ROLES[request.role], share=share,
                               signing_key=request.signing_key, tls_key=pki.spki_sha256(certificate))
    return Party(member, folder, None)


def join(name: str, role: str, folder: Path) -> Path:
    """Make the keys of *name* in the new *folder*; return the request file for the dealer."""
    if folder.exists() and any(folder.iterdir()):
        raise Misconfigured(f"{folder}: this folder is not empty; keys are never overwritten")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    csr = pki.request(folder, name, pki.Role(role)).read_text("utf-8")
    signer = SigningKey.generate()
    signer.save(folder / f"{name}-signing.key")
    path = folder / f"{name}.request"
    path.write_text(folders.render({
        "name": name, "role": role, "signing_key": signer.public.hex(), "csr": csr,
        "signature": signer.sign(_statement(name, role, csr)).hex()}), "utf-8")
    return path


def read_requests(folder: Path | None) -> dict[str, Request]:
    """Every *.request in *folder* by name, signatures checked; none without a folder."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise Misconfigured(f"{folder}: there is no such folder of requests")
    found: dict[str, Request] = {}
    for file in sorted(folder.glob("*.request")):
        request = _read_request(file)
        if request.name in found:
            raise Misconfigured(f"{file}: {found[request.name].file.name} asks for {request.name!r} already")
        found[request.name] = request
    if not found:
        raise Misconfigured(f"{folder}: there is no *.request file in this folder")
    return found


def _read_request(file: Path) -> Request:
    section = read_toml(file)
    name, role = section.name("name"), section.choice("role", list(ROLES))
    csr = section.text("csr")
    texts = section.text("signing_key"), section.text("signature")
    section.done()
    try:
        key, signature = map(bytes.fromhex, texts)
    except ValueError:
        key = signature = b""
    if not signing.verify(key, _statement(name, role, csr), signature):
        raise Misconfigured(f"{file}: whoever made this request does not hold its signing key")
    return Request(file, name, role, key, csr)


def _statement(name: str, role: str, csr: str) -> bytes:
    return _DOMAIN + b"\0".join(part.encode() for part in (name, role, csr))
