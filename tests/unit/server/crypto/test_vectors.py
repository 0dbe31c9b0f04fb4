"""The committed vectors, which the client's own verifier reads too: every case, failures included."""

import json
from pathlib import Path
from typing import Any

import pytest

from cotally.server.crypto import aggregation, equality_proof, plaintext_proof, threshold, transcript
from cotally.server.crypto.ceremony import check_public
from cotally.server.crypto.equality_proof import EqualityProof
from cotally.server.crypto.generator import masking_base
from cotally.server.crypto.keys import PublicKey
from cotally.server.crypto.packing import unpack
from cotally.server.crypto.plaintext_proof import PlaintextProof
from cotally.server.model.packing import Packing, Run
from cotally.v1.refusals import Refusal, Refused

FILE = Path(__file__).parents[3] / "vectors" / "crypto.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())


def integer(text: str) -> int:
    return int(text, 16)


def integers(texts: list[str]) -> tuple[int, ...]:
    return tuple(map(integer, texts))


def vector(texts: list[str]) -> bytes:
    """Numbers as they travel, out of range or not."""
    try:
        return b"".join(number.to_bytes(PUBLIC.ciphertext_bytes, "big") for number in integers(texts))
    except OverflowError:
        raise Refused(Refusal.MALFORMED, "wider than any ciphertext") from None


KEY = VECTORS["public_key"]
PUBLIC = PublicKey(integer(KEY["modulus"]), KEY["epoch"], KEY["key_holders"], KEY["threshold"],
                   integer(KEY["base"]), integers(KEY["verification"]), integers(KEY["coefficients"]))


def named(key: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", VECTORS[key], ids=lambda case: case["name"])


def test_the_key_proves_itself() -> None:
    check_public(PUBLIC, bytes.fromhex(KEY["wellformed"]), bytes.fromhex(KEY["trial"]), minimum_bits=1024)


def test_frames() -> None:
    for case in VECTORS["frame"]:
        parts = [bytes.fromhex(part["bytes"]) if "bytes" in part else integer(part["integer"])
                 for part in case["parts"]]
        assert transcript.frame(*parts).hex() == case["framed"]


def test_generators() -> None:
    for case in VECTORS["generator"]:
        assert masking_base(integer(case["modulus"]), case["epoch"]) == integer(case["generator"])


def test_products() -> None:
    parts = {name: vector(part) for name, part in VECTORS["parts"].items()}
    products = aggregation.multiply(parts.items(), 3, PUBLIC)
    assert products == vector(VECTORS["products"])
    assert products.hex() == VECTORS["products_bytes"]


@named("plaintext_proof_cases")
def test_plaintext_proofs(case: dict[str, Any]) -> None:
    context, parts = bytes.fromhex(case["context"]), vector(case["ciphertexts"])
    proof = PlaintextProof(*(integer(case[k]) for k in ("commitment", "plaintext", "randomness")))
    if case["valid"]:
        weights, product = plaintext_proof.aggregate(PUBLIC, context, parts)
        assert (tuple(weights), product) == (integers(case["weights"]), integer(case["product"]))
        assert plaintext_proof.derive_challenge(PUBLIC, context, product, proof.commitment) == integer(
            case["challenge"])
        plaintext_proof.verify(PUBLIC, context, parts, proof)
    else:
        with pytest.raises(Refused):
            plaintext_proof.verify(PUBLIC, context, parts, proof)


@named("equality_proof_cases")
def test_equality_proofs(case: dict[str, Any]) -> None:
    context, index = bytes.fromhex(case["context"]), case["index"]
    products, partials = vector(case["products"]), vector(case["partials"])
    proof = EqualityProof(*(integer(case[k]) for k in ("on_base", "on_product", "response")))
    if case["valid"]:
        weights = equality_proof.derive_weights(PUBLIC, index, context, products, partials)
        assert tuple(weights) == integers(case["weights"])
        c, p = equality_proof.aggregate(PUBLIC, index, context, products, partials)
        assert (c, p) == (integer(case["product"]), integer(case["partial"]))
        assert equality_proof.derive_challenge(
            PUBLIC, index, context, c, p, proof.on_base, proof.on_product) == integer(case["challenge"])
        equality_proof.verify(PUBLIC, index, context, products, partials, proof)
    else:
        with pytest.raises(Refused):
            equality_proof.verify(PUBLIC, index, context, products, partials, proof)


@named("combine_cases")
def test_combining(case: dict[str, Any]) -> None:
    partials = {int(i): vector(p) for i, p in case["partials"].items()}
    if case["valid"]:
        assert threshold.combine(PUBLIC, partials) == list(integers(case["plaintexts"]))
    else:
        with pytest.raises(Refused):
            threshold.combine(PUBLIC, partials)


def test_totals_are_the_sums_of_the_parts_values() -> None:
    said, departments = VECTORS["packing"], len(VECTORS["values"])
    packing = Packing(tuple(Run(**run) for run in said["runs"]), said["plaintext_bits"])
    assert packing.ciphertexts == said["ciphertexts"]
    totals = unpack(integers(VECTORS["plaintexts"]), packing, departments)
    assert totals.tolist() == VECTORS["totals"]
    assert VECTORS["totals"] == [sum(v) for v in zip(*VECTORS["values"].values(), strict=True)]
