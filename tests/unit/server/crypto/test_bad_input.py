"""Everything bad that a caller or the wire can bring is refused by name, on both back ends."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotally.server.crypto import (
    aggregation,
    backend,
    ciphertexts,
    equality_proof,
    plaintext_proof,
    threshold,
)
from cotally.server.crypto import trial as trials
from cotally.server.crypto.equality_proof import EqualityProof, Prover
from cotally.server.crypto.full_key import PrivateKey
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.crypto.packing import OutOfSlot, pack
from cotally.server.crypto.paillier import Encryptor
from cotally.server.crypto.plaintext_proof import PlaintextProof
from cotally.server.crypto.wellformed import check_modulus
from cotally.server.model.encryption import Encryption
from cotally.server.model.packing import Packing, Run
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.keys import P_512, P_1024, Q_512, Q_1024, deal_small, small_dealt

DEALT = small_dealt()
PUBLIC = DEALT.public
N, SQUARE, WIDTH = PUBLIC.modulus, PUBLIC.modulus_squared, PUBLIC.ciphertext_bytes
ONE = (2).to_bytes(WIDTH, "big")
SLOTS = Packing((Run(2, 8, 16),), 16)


@pytest.fixture(params=[backend.IFMA, backend.GMPY2], autouse=True)
def each_backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param not in backend.available():
        pytest.skip(f"{request.param} does not work on this machine")
    monkeypatch.setenv(backend.VARIABLE, request.param)


def number(value: int) -> bytes:
    return value.to_bytes(WIDTH, "big")


def with_modulus(modulus: int) -> PublicKey:
    return dataclasses.replace(PUBLIC, modulus=modulus)


class Case(NamedTuple):
    """One bad input: what it is, who gets it, and which error names it."""

    what: str
    act: Callable[[], object]
    error: type[Exception]
    words: str
    refusal: Refusal | None = None


def refused(what: str, act: Callable[[], object], words: str, refusal: Refusal = Refusal.MALFORMED) -> Case:
    return Case(what, act, Refused, words, refusal)


def bad_vectors() -> list[Case]:
    """Vectors of ciphertexts that no door lets in, at every door."""
    doors: dict[str, Callable[[bytes], object]] = {
        "check": lambda bad: ciphertexts.check(bad, 2, PUBLIC),
        "multiply": lambda bad: aggregation.multiply([("us", ONE * 2), ("them", bad)], 2, PUBLIC),
        "partial": lambda bad: threshold.partial(PUBLIC, DEALT.shares[0], bad),
        "prover": lambda bad: Prover(PUBLIC, DEALT.shares[0], bad),
        "combine": lambda bad: threshold.combine(PUBLIC, {1: ONE * 2, 2: bad}),
        "full key": lambda bad: PrivateKey(P_512, Q_512).decrypt(bad, PUBLIC),
        "plaintext proof": lambda bad: plaintext_proof.verify(PUBLIC, b"", bad, PlaintextProof(1, 1, 1)),
        "equality proof": lambda bad: equality_proof.verify(
            PUBLIC, 1, b"", ONE * 2, bad, EqualityProof(1, 1, 1)),
    }
    vectors = {
        "ciphertext 0": (ONE + bytes(WIDTH), "ciphertext 1 is not a residue"),
        "ciphertext N^2": (number(SQUARE) + ONE, "ciphertext 0 is not a residue"),
        "ciphertext above N^2": (ONE + number(SQUARE + 5), "ciphertext 1 is not a residue"),
        "all ones": (ONE + b"\xff" * WIDTH, "ciphertext 1 is not a residue"),
        "a byte short": ((ONE * 2)[:-1], "bytes"),
        "a byte long": (ONE * 2 + b"\0", "bytes"),
    }
    return [refused(f"{what} at {door}", partial(act, bad), words)
            for door, act in doors.items() for what, (bad, words) in vectors.items()]


def factors() -> list[Case]:
    """Ciphertexts that share a factor with N."""
    found: list[Case] = []
    for what, value in (("N", N), ("a factor", P_512), ("a multiple of a factor", 6 * Q_512)):
        found += with_factor(what, ONE + number(value))
    return found


def with_factor(what: str, bad: bytes) -> list[Case]:
    """Every door for one such vector."""
    proof = plaintext_proof.prove(PUBLIC, b"", bad, [0, 0], [0, 0])
    return [
        refused(f"{what} multiplied", lambda: aggregation.multiply(
            [("us", ONE * 2), ("them", bad)], 2, PUBLIC), "^them: ciphertext 1 shares a factor"),
        refused(f"{what} combined", lambda: threshold.combine(PUBLIC, {1: ONE * 2, 2: bad}),
                "^share 2: partial decryption 1 shares a factor", Refusal.BAD_PROOF),
        refused(f"{what} decrypted", lambda: PrivateKey(P_512, Q_512).decrypt(bad, PUBLIC),
                "^ciphertext 1 shares a factor"),
        refused(f"{what} proved", lambda: plaintext_proof.verify(PUBLIC, b"", bad, proof),
                "does not verify", Refusal.BAD_PROOF),
        refused(f"{what} as a product", lambda: equality_proof.verify(
            PUBLIC, 1, b"", bad, ONE * 2, EqualityProof(1, 1, 1)), "no unit", Refusal.BAD_PROOF),
    ]


def keys() -> list[Case]:
    """Moduli, shares and private keys that are none, or another's."""
    even, short = with_modulus(2 * N), with_modulus(P_512)
    share = DEALT.shares[0]
    return [
        refused("an even N", lambda: Encryptor(even).encrypt([1]), "odd"),
        refused("an even N, checked", lambda: check_modulus(even.modulus), "even"),
        refused("a short N", lambda: check_modulus(15 * 7), "below 65536"),
        refused("a prime N", lambda: check_modulus(10**60 + 873), "is prime"),
        refused("a small factor", lambda: check_modulus(5 * N), "below 65536"),
        refused("a square N", lambda: check_modulus(P_512**2), "perfect power"),
        refused("a ciphertext under a shorter N", lambda: ciphertexts.check(ONE, 1, short), "bytes"),
        refused("a ciphertext under a longer N", lambda: ciphertexts.check(
            ONE, 1, with_modulus(P_1024 * Q_1024)), "bytes"),
        refused("a trial under another N", lambda: trials.verify(
            with_modulus(P_1024 * Q_1024), DEALT.trial), "wrong length"),
        Case("a share of another key", lambda: threshold.partial(PUBLIC, deal_small(3, 3, 1).shares[0], ONE),
             Misconfigured, "key share 1 does not belong"),
        Case("a share under another index", lambda: threshold.partial(PUBLIC, KeyShare(2, share.secret), ONE),
             Misconfigured, "key share 2 does not belong"),
        Case("a share outside", lambda: threshold.partial(PUBLIC, KeyShare(4, share.secret), ONE),
             Misconfigured, "key share 4 is not one of"),
        Case("a negative share", lambda: Prover(PUBLIC, KeyShare(1, -share.secret), ONE), Misconfigured,
             "key share 1 is not one of"),
        Case("a share of another key, proving", lambda: Prover(PUBLIC, KeyShare(3, share.secret), ONE),
             Misconfigured, "key share 3 does not belong"),
        Case("a whole key of another modulus", lambda: PrivateKey(P_1024, Q_1024).decrypt(ONE, PUBLIC),
             Misconfigured, "does not belong"),
        Case("a whole key that is none", lambda: PrivateKey(P_512 * 3, Q_512), Misconfigured, "primes"),
        refused("a share index outside", lambda: threshold.combine(PUBLIC, {1: ONE, 4: ONE}),
                "no key share 4"),
        refused("too few shares", lambda: threshold.combine(PUBLIC, {1: ONE}), "1 of 2",
                Refusal.TOO_FEW_KEY_HOLDERS),
        refused("partials that do not fit", lambda: threshold.combine(PUBLIC, {1: ONE, 2: number(3)}),
                "do not fit together", Refusal.BAD_PROOF),
        refused("no part", lambda: aggregation.multiply([], 1, PUBLIC), "no ciphertext"),
    ]


def slots() -> list[Case]:
    """Values that their slots do not hold."""
    return [Case(f"value {value}", partial(pack, [0, value], SLOTS), OutOfSlot, "its slot")
            for value in (17, -17, 255, 1 << 62, -(1 << 63), 1 << 64)] + [
        Case("a vector too long", lambda: pack([0, 0, 0], SLOTS), ValueError, "do not fill"),
        Case("a vector too short", lambda: pack([], SLOTS), ValueError, "do not fill")]


CASES = [*bad_vectors(), *factors(), *keys(), *slots()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_input_is_refused_by_name(case: Case) -> None:
    with pytest.raises(case.error, match=case.words) as caught:
        case.act()
    if case.refusal is not None:
        assert isinstance(caught.value, Refused)
        assert caught.value.refusal is case.refusal


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=3 * WIDTH) | st.binary(min_size=2 * WIDTH, max_size=2 * WIDTH))
def test_whatever_bytes_arrive_every_door_refuses_or_answers(data: bytes) -> None:
    doors: list[Callable[[], object]] = [
        lambda: aggregation.multiply([("us", ONE * 2), ("them", data)], 2, PUBLIC),
        lambda: threshold.combine(PUBLIC, {1: data, 2: data}),
        lambda: plaintext_proof.verify(PUBLIC, b"", data, PlaintextProof(1, 1, 1)),
        lambda: equality_proof.verify(PUBLIC, 1, b"", data, data, EqualityProof(1, 1, 1)),
        lambda: trials.verify(PUBLIC, data + DEALT.trial[len(data):]),
    ]
    for door in doors:
        try:
            door()
        except Refused as refused:
            assert refused.refusal in (Refusal.MALFORMED, Refusal.BAD_PROOF)


INTEGERS = st.integers(-3, 3) | st.integers(-(1 << 2600), 1 << 2600) | st.sampled_from([N, SQUARE, P_512])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(INTEGERS, INTEGERS, INTEGERS, st.sampled_from(Encryption))
def test_whatever_proofs_arrive_they_are_refused(a: int, b: int, c: int, mode: Encryption) -> None:
    public = dataclasses.replace(PUBLIC, encryption=mode)
    with pytest.raises(Refused) as caught:
        plaintext_proof.verify(public, b"", ONE * 2, PlaintextProof(a, b, c))
    assert caught.value.refusal is Refusal.BAD_PROOF
    with pytest.raises(Refused) as caught:
        equality_proof.verify(PUBLIC, 1, b"", ONE * 2, ONE * 2, EqualityProof(a, b, c))
    assert caught.value.refusal is Refusal.BAD_PROOF
