"""The proof of plaintext knowledge that travels with a vector: its share of a node's work, and its check."""

from collections.abc import Iterable

from cotally.server.crypto import plaintext_proof
from cotally.server.crypto.packing import pack
from cotally.server.model.encryption import Encryption
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import Work, duration

from ..program import Workload
from . import key
from .setting import Setting

_CONTEXT = b"benchmark"


def _measure(setting: Setting) -> Iterable[Row]:
    """`proof_share` is of packing, encrypting and proving one vector; `proof_check` is the verifier's."""
    public, encryptor = key.public(setting.bits, Encryption.DJN), setting.encryptor(Encryption.DJN)
    vector, packing = setting.vector(1), setting.packing()
    plaintexts = pack(vector, packing)
    made = encryptor.encrypt(plaintexts)

    def prove() -> plaintext_proof.PlaintextProof:
        return plaintext_proof.prove(public, _CONTEXT, made.ciphertexts, plaintexts, made.randomness)

    encrypting = duration(Work(lambda: encryptor.encrypt(pack(vector, packing))), setting.rounds).seconds
    proving = duration(Work(prove), setting.rounds).seconds
    yield Row(row="proof_share", share=proving / (encrypting + proving))
    proof = prove()
    yield duration(Work(lambda: plaintext_proof.verify(public, _CONTEXT, made.ciphertexts, proof)),
                   setting.rounds).row("proof_check")


WORKLOADS = (Workload(("proof_share", "proof_check"), _measure),)
