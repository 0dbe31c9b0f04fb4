"""Every ciphertext decrypts under `phe`, and encryption is fresh."""

import secrets
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phe import PaillierPrivateKey, PaillierPublicKey

from cotally.server.crypto.ceremony import Dealt
from cotally.server.crypto.ciphertexts import multiply
from cotally.server.crypto.fixed_base import FixedBase, encrypting_table
from cotally.server.crypto.generator import masking_base, verification_base
from cotally.server.crypto.paillier import Encryptor
from cotally.v1.refusals import Refused
from tests.fixtures.keys import P_512, P_1024, Q_512, Q_1024, deal_small, full_dealt, small_dealt


def oracle(p: int, q: int) -> PaillierPrivateKey:
    return PaillierPrivateKey(PaillierPublicKey(p * q), p, q)


@pytest.mark.parametrize(("dealt", "p", "q"), [
    pytest.param(small_dealt, P_512, Q_512, id="1024 bits"),
    pytest.param(full_dealt, P_1024, Q_1024, id="2048 bits")])
def test_ciphertexts_and_their_products_decrypt_under_phe(dealt: Callable[[], Dealt], p: int, q: int) -> None:
    public, n = dealt().public, p * q
    plaintexts = [0, 1, n - 1, secrets.randbelow(n), -5]
    mine = Encryptor(public).encrypt(plaintexts).ciphertexts
    private = oracle(p, q)
    assert [private.raw_decrypt(c) for c in mine] == [m % n for m in plaintexts]
    doubled = multiply({"a": mine, "b": mine}, public)
    assert [private.raw_decrypt(c) for c in doubled] == [2 * m % n for m in plaintexts]


def test_a_ciphertext_is_one_plus_m_n_times_a_power_of_h_s_with_a_fresh_exponent() -> None:
    public = small_dealt().public
    encryption = Encryptor(public).encrypt([7] * 8)
    square = public.modulus_squared
    for c, r in zip(encryption.ciphertexts, encryption.randomness, strict=True):
        assert c == (1 + 7 * public.modulus) * pow(public.generator, r, square) % square
    assert len(set(encryption.randomness)) == 8
    assert 480 < max(r.bit_length() for r in encryption.randomness) <= public.randomness_bits == 512


def test_secrets_do_not_print() -> None:
    public = small_dealt().public
    encryption = Encryptor(public).encrypt([7])
    share = small_dealt().shares[0]
    for thing, secret in ((encryption, encryption.randomness[0]), (share, share.secret)):
        assert "..." in repr(thing)
        assert str(secret) not in repr(thing)
        assert f"{secret:x}" not in repr(thing)
    assert str(share.secret) not in repr(small_dealt())


def test_the_bases_depend_on_modulus_and_epoch_and_hide_no_factor() -> None:
    first, second = small_dealt().public, deal_small(3, 2, 2).public
    assert first.generator != second.generator
    assert first.base != second.base
    assert pow(first.generator, (P_512 - 1) * (Q_512 - 1) // 2, first.modulus_squared) == 1  # an N-th power
    with pytest.raises(Refused, match="shares a factor"):
        for epoch in range(40):
            masking_base(15, epoch)
    assert verification_base(first.modulus, 1) == first.base


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 700), st.integers(40, 700), st.integers(1, 200_000))
def test_the_table_agrees_with_plain_powers_whatever_its_size(exponent: int, bits: int, size: int) -> None:
    modulus = (1 << 127) - 1
    assert FixedBase(3, modulus, bits, size).power(exponent) == pow(3, exponent, modulus)


def test_the_table_of_a_3072_bit_key_stays_within_64_mebibytes() -> None:
    public = full_dealt().public
    table = encrypting_table(public)
    table.build()
    assert sum(entry.bit_length() // 8 + 48 for row in table._rows for entry in row) <= 64 << 20
    large = FixedBase(3, (1 << 6144) - 1, 1536 + 544, 64 << 20)
    assert large.window == 8
