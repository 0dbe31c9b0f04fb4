"""The whole key opens what it should, and says what it cannot open."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto import threshold
from cotally.server.crypto.full_key import PrivateKey
from cotally.server.crypto.paillier import Encryptor
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.keys import P_512, P_1024, Q_512, small_dealt

PUBLIC = small_dealt().public
PRIVATE = PrivateKey(P_512, Q_512)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, PUBLIC.modulus - 1), max_size=5))
def test_what_was_encrypted_is_decrypted(plaintexts: list[int]) -> None:
    assert PRIVATE.decrypt(Encryptor(PUBLIC).encrypt(plaintexts).ciphertexts, PUBLIC) == plaintexts


def test_the_order_of_the_primes_does_not_matter_and_shares_agree() -> None:
    vector = Encryptor(PUBLIC).encrypt([3, PUBLIC.modulus - 1]).ciphertexts
    opened = threshold.combine(PUBLIC, {s.index: threshold.partial(PUBLIC, s, vector)
                                        for s in small_dealt().shares})
    assert PRIVATE.decrypt(vector, PUBLIC) == PrivateKey(Q_512, P_512).decrypt(vector, PUBLIC) == opened


@pytest.mark.parametrize(("p", "q"), [(P_512, P_512), (P_512, Q_512 + 2), (15, Q_512), (2, 3), (0, 7),
                                      (-3, 7), (3, 7)])
def test_numbers_that_are_no_key_are_refused(p: int, q: int) -> None:
    with pytest.raises(Misconfigured):
        PrivateKey(p, q)


def test_another_keys_ciphertexts_are_refused() -> None:
    vector = Encryptor(PUBLIC).encrypt([3]).ciphertexts
    with pytest.raises(Misconfigured, match="does not belong"):
        PrivateKey(P_512, P_1024).decrypt(vector, PUBLIC)
    with pytest.raises(Misconfigured, match="does not belong"):
        PRIVATE.decrypt(vector, dataclasses.replace(PUBLIC, modulus=PUBLIC.modulus + 2))


@pytest.mark.parametrize(("number", "word"), [
    (0, "ciphertext 1 is not"), (P_512, "ciphertext 1 shares"), (PUBLIC.modulus, "ciphertext 1 shares"),
    (PUBLIC.modulus_squared, "ciphertext 1 is not")])
def test_bad_ciphertexts_are_refused(number: int, word: str) -> None:
    vector = PUBLIC.ring.vector([1]) + number.to_bytes(PUBLIC.ciphertext_bytes, "big")
    with pytest.raises(Refused, match=word) as caught:
        PRIVATE.decrypt(vector, PUBLIC)
    assert caught.value.refusal is Refusal.MALFORMED
