"""Trial decryptions: every share opens the same few hashed ciphertexts, with proofs.

Plaintexts and exponents of the trial ciphertexts are hashed from (N, epoch), so the checker makes
the ciphertexts itself and only the shares' answers travel. Layout, per share 1..n: the partial
decryptions, A1 and A2 of the proof of equality (each in the width of N^2), then z in the width of
its bound.
"""

from collections.abc import Sequence

import gmpy2
from gmpy2 import mpz

from cotally.v1.refusals import Refusal, Refused

from . import ciphertexts, equality_proof, threshold
from .equality_proof import EqualityProof
from .keys import KeyShare, PublicKey
from .paillier import openings
from .tables import share_nonce_bits
from .transcript import expand, frame

TRIALS = 3


def trials(public: PublicKey) -> tuple[bytes, list[int]]:
    """Return the trial ciphertexts, hashed from N and epoch, and what each must open to.

    They are masked by exponents of |N|/2 bits, whatever the federation's mode.
    """
    square = mpz(public.modulus_squared)
    masks, plaintexts = [], []
    for k in range(TRIALS):
        statement = (public.modulus, public.epoch, k)
        stream = expand(public.modulus_bytes + 16, b"cotally/v1/trial-plaintext", *statement)
        plaintexts.append(int.from_bytes(stream, "big") % public.modulus)
        stream = expand(public.modulus_bytes, b"cotally/v1/trial-randomness", *statement)
        exponent = int.from_bytes(stream, "big") % (1 << (public.bits + 1) // 2)
        masks.append(int(gmpy2.powmod(public.generator, exponent, square)))
    return public.ring.multiply(openings(public, plaintexts), public.ring.vector(masks)), plaintexts


def make(public: PublicKey, shares: Sequence[KeyShare]) -> bytes:
    """Return the answers of all shares, in order of their indices."""
    products, _ = trials(public)
    out = []
    for share in shares:
        prover = equality_proof.Prover(public, share, products)
        proof = prover.prove(_context(public))
        out.append(prover.partials + public.ring.vector([proof.on_base, proof.on_product]))
        out.append(proof.response.to_bytes(_response_bytes(public), "big"))
    return b"".join(out)


def verify(public: PublicKey, data: bytes) -> None:
    """Refuse unless every share's proof holds and every t neighbouring shares open the plaintexts."""
    products, plaintexts = trials(public)
    each, rest = divmod(len(data), public.key_holders)
    if rest:
        raise Refused(Refusal.MALFORMED, "the trial decryptions of the public key have a wrong length")
    answers = {index: _check_answer(public, index, products, data[each * (index - 1):each * index])
               for index in range(1, public.key_holders + 1)}
    for first in range(public.key_holders):
        group = [(first + k) % public.key_holders + 1 for k in range(public.threshold)]
        if threshold.combine(public, {index: answers[index] for index in group}) != plaintexts:
            raise Refused(Refusal.BAD_PROOF, f"shares {group} do not open the trial ciphertexts")


def verify_answer(public: PublicKey, index: int, data: bytes) -> None:
    """Refuse unless *data* is what `make` returns for share *index* alone."""
    _check_answer(public, index, trials(public)[0], data)


def _check_answer(public: PublicKey, index: int, products: bytes, data: bytes) -> bytes:
    """The partial decryptions in one share's answer, whose proof holds."""
    residues = (TRIALS + 2) * public.ciphertext_bytes
    if len(data) != residues + _response_bytes(public):
        raise Refused(Refusal.MALFORMED, "the trial decryptions of the public key have a wrong length")
    vector, partials = data[:residues], data[:TRIALS * public.ciphertext_bytes]
    ciphertexts.check(vector, TRIALS + 2, public)
    *_, on_base, on_product = public.ring.numbers(vector)
    proof = EqualityProof(on_base, on_product, int.from_bytes(data[residues:], "big"))
    equality_proof.check_form(public, index, products, partials, proof)
    power = gmpy2.powmod(public.base, proof.response, mpz(public.modulus_squared))
    equality_proof.check_equations(public, index, _context(public), products, partials, proof, int(power))
    return partials


def _context(public: PublicKey) -> bytes:
    return frame(b"cotally/v1/trial", public.modulus, public.epoch)


def _response_bytes(public: PublicKey) -> int:
    return (share_nonce_bits(public) + 8) // 8
