"""Trial decryptions: every share opens the same few hashed ciphertexts, with proofs.

Plaintexts and exponents of the trial ciphertexts are hashed from (N, epoch), so the checker makes
the ciphertexts itself and only the shares' answers travel. Layout, per share 1..n: the partial
decryptions, A1 and A2 of the proof of equality (each in the width of N^2), then z in the width of
its bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import ciphertexts as wire
from . import equality_proof, threshold
from .equality_proof import EqualityProof
from .keys import KeyShare, PublicKey
from .transcript import expand, frame

TRIALS = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial ciphertext and what it must open to."""

    ciphertext: int
    plaintext: int


def trials(public: PublicKey) -> list[Trial]:
    """Return the trial ciphertexts, hashed from N and epoch."""
    n, square = mpz(public.modulus), mpz(public.modulus_squared)
    made = []
    for k in range(TRIALS):
        statement = (public.modulus, public.epoch, k)
        stream = expand(public.modulus_bytes + 16, b"cotally/v1/trial-plaintext", *statement)
        plaintext = int.from_bytes(stream, "big") % public.modulus
        stream = expand(public.modulus_bytes, b"cotally/v1/trial-randomness", *statement)
        exponent = int.from_bytes(stream, "big") % (1 << public.randomness_bits)
        mask = gmpy2.powmod(public.generator, exponent, square)
        made.append(Trial(int((1 + plaintext * n) * mask % square), plaintext))
    return made


def make(public: PublicKey, shares: Sequence[KeyShare]) -> bytes:
    """Return the answers of all shares, in order of their indices."""
    products = [trial.ciphertext for trial in trials(public)]
    out = []
    for share in shares:
        partials = threshold.partial(public, share, products)
        proof = equality_proof.prove(public, share, _context(public), products, partials)
        out.append(wire.to_bytes([*partials, proof.on_base, proof.on_product], public))
        out.append(proof.response.to_bytes(_response_bytes(public), "big"))
    return b"".join(out)


def verify(public: PublicKey, data: bytes) -> None:
    """Refuse unless every share's proof holds and every t neighbouring shares open the plaintexts."""
    made = trials(public)
    products = [trial.ciphertext for trial in made]
    answers = {}
    for index, (partials, proof) in enumerate(_parse(public, data), start=1):
        equality_proof.check_form(public, index, products, partials, proof)
        power = gmpy2.powmod(public.base, proof.response, mpz(public.modulus_squared))
        equality_proof.check_equations(public, index, _context(public), products, partials, proof, power)
        answers[index] = partials
    for first in range(public.key_holders):
        group = [(first + k) % public.key_holders + 1 for k in range(public.threshold)]
        opened = threshold.combine(public, {index: answers[index] for index in group})
        if opened != tuple(trial.plaintext for trial in made):
            raise Refused(Refusal.BAD_PROOF, f"shares {group} do not open the trial ciphertexts")


def _parse(public: PublicKey, data: bytes) -> list[tuple[tuple[int, ...], EqualityProof]]:
    residues = (TRIALS + 2) * public.ciphertext_bytes
    each = residues + _response_bytes(public)
    if len(data) != each * public.key_holders:
        raise Refused(Refusal.MALFORMED, "the trial decryptions of the public key have a wrong length")
    parsed = []
    for start in range(0, len(data), each):
        *partials, on_base, on_product = wire.from_bytes(
            data[start:start + residues], TRIALS + 2, public)
        response = int.from_bytes(data[start + residues:start + each], "big")
        parsed.append((tuple(partials), EqualityProof(on_base, on_product, response)))
    return parsed


def _context(public: PublicKey) -> bytes:
    return frame(b"cotally/v1/trial", public.modulus, public.epoch)


def _response_bytes(public: PublicKey) -> int:
    return (equality_proof.nonce_bits(public) + 8) // 8
