"""The client's threshold arithmetic against the shared vectors, good and bad."""

import json
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from cotally.client.verify.opening import Key, check_equality, combine, frame
from cotally.server.crypto import equality_proof
from cotally.server.crypto.tables import share_nonce_bits
from cotally.v1 import roster_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import small_dealt

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "crypto.json").read_text())


def data(number: str) -> bytes:
    return bytes.fromhex(number.rjust(len(number) + len(number) % 2, "0"))


def key() -> Key:
    public = VECTORS["public_key"]
    return Key.of(roster_pb2.PublicKey(
        epoch=public["epoch"], modulus=data(public["modulus"]), key_holders=public["key_holders"],
        threshold=public["threshold"], base=data(public["base"]),
        verification=[data(v) for v in public["verification"]]))


def joined(values: list[str]) -> bytes:
    return b"".join(int(value, 16).to_bytes(key().width, "big") for value in values)


@pytest.mark.parametrize("vector", VECTORS["frame"])
def test_parts_are_framed_by_length(vector: dict[str, Any]) -> None:
    parts: list[bytes | int] = [
        bytes.fromhex(part["bytes"]) if "bytes" in part else int(part["integer"], 16)
        for part in vector["parts"]]
    assert frame(*parts).hex() == vector["framed"]


@pytest.mark.parametrize("case", VECTORS["equality_proof_cases"], ids=lambda case: case["name"])
def test_equality_proofs_get_their_stated_verdict(case: dict[str, Any]) -> None:
    def verdict() -> bool:
        try:
            proof = round_pb2.EqualityProof(
                **{name: data(case[name]) for name in ("on_base", "on_product", "response")})
            check_equality(
                key(), case["index"], data(case["context"]), joined(case["products"]),
                joined(case["partials"]), len(case["products"]), proof, "somebody")
        except Refused as refused:
            assert refused.refusal in (Refusal.BAD_PROOF, Refusal.MALFORMED)
            return False
        except (ValueError, OverflowError):  # numbers that no message can carry
            return False
        return True

    assert verdict() == case["valid"]


PRODUCTS = joined(VECTORS["products"])


def forged(secret_of_proof: int, secret_of_partials: int, lift: int, longer: int) -> tuple[bytes, Any]:
    """Return partials and a proof whose prover chose his exponents, and made his numbers longer."""
    public, share = small_dealt().public, small_dealt().shares[0]
    square = public.modulus_squared
    exponent = 2 * public.delta * (share.secret + secret_of_partials)
    parts = public.ring.powers(PRODUCTS, exponent)
    c, p = equality_proof.aggregate(public, 1, b"context", PRODUCTS, parts)
    nonce = 1 << share_nonce_bits(public) - 1 + longer
    on_base = pow(public.base, nonce, square) + lift * square
    on_product = pow(c, 4 * nonce, square)
    e = equality_proof.derive_challenge(public, 1, b"context", c, p, on_base, on_product)
    response = nonce + e * public.delta * (share.secret + secret_of_proof)
    proof = round_pb2.EqualityProof(
        on_base=data(f"{on_base:x}"), on_product=data(f"{on_product:x}"), response=data(f"{response:x}"))
    return parts, proof


@pytest.mark.parametrize("choices, accepted", [
    ((0, 0, 0, 0), True),
    ((1, 1, 0, 0), False),     # a share that the public key does not know: only v^z tells
    ((0, 1, 0, 0), False),     # the right share, but not on the products: only (C^4)^z tells
    ((0, 0, 1, 0), False),     # a number out of range, hashed as such
    ((0, 0, 0, 4000), False),  # a response that would take for ever
])
def test_a_forger_who_makes_his_own_proof_is_refused(
    choices: tuple[int, int, int, int], accepted: bool,
) -> None:
    partials, proof = forged(*choices)
    if accepted:
        assert len(check_equality(key(), 1, b"context", PRODUCTS, partials, 3, proof, "holder-1")) == 3
    else:
        with pytest.raises(Refused, match="'holder-1' does not verify") as caught:
            check_equality(key(), 1, b"context", PRODUCTS, partials, 3, proof, "holder-1")
        assert caught.value.refusal == Refusal.BAD_PROOF


@pytest.mark.parametrize("change", [
    {"modulus": b"\x0f"}, {"modulus": bytes(128)}, {"threshold": 4}, {"threshold": 0}, {"key_holders": 4},
    {"base": b""}, {"base": b"\x01"}, {"base": b"\xff" * 257},
])
def test_a_public_key_has_a_form(change: dict[str, Any]) -> None:
    public = VECTORS["public_key"]
    values: dict[str, Any] = {
        "modulus": data(public["modulus"]), "key_holders": 3, "threshold": 2, "base": data(public["base"]),
        "verification": [data(v) for v in public["verification"]]}
    Key.of(roster_pb2.PublicKey(**values))
    with pytest.raises(Refused):
        Key.of(roster_pb2.PublicKey(**(values | change)))


@pytest.mark.parametrize("case", VECTORS["combine_cases"], ids=lambda case: case["name"])
def test_exactly_t_valid_partials_open_the_plaintexts(case: dict[str, Any]) -> None:
    partials = {
        int(index): [mpz(int(value, 16)) for value in values] for index, values in case["partials"].items()}
    if case["valid"]:
        assert combine(key(), partials) == [int(value, 16) for value in case["plaintexts"]]
    else:
        with pytest.raises(Refused):
            combine(key(), partials)


def test_a_wrong_partial_does_not_combine() -> None:
    parts = {int(i): [mpz(int(v, 16)) for v in values] for i, values in VECTORS["partials"].items()}
    chosen = {1: parts[1], 2: parts[3]}
    with pytest.raises(Refused, match="do not combine"):
        combine(key(), chosen)


@pytest.mark.parametrize("bad", [b"", bytes(256), b"\xff" * 256, b"\x01" * 255])
def test_ciphertexts_have_a_form(bad: bytes) -> None:
    with pytest.raises(Refused):
        key().ciphertexts(bad, 1, "the products")
