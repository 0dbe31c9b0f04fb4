"""Every ciphertext decrypts under `phe` and our own whole key, in every mode; encryption is fresh."""

import dataclasses
import secrets
from collections.abc import Callable

import pytest
from phe import PaillierPrivateKey, PaillierPublicKey

from cotally.server.crypto import paillier
from cotally.server.crypto.aggregation import multiply
from cotally.server.crypto.ceremony import Dealt
from cotally.server.crypto.full_key import PrivateKey
from cotally.server.crypto.generator import masking_base, verification_base
from cotally.server.crypto.keys import PublicKey
from cotally.server.crypto.paillier import Encryptor
from cotally.server.model.encryption import Encryption
from cotally.v1.refusals import Refused
from tests.fixtures.keys import P_512, P_1024, Q_512, Q_1024, deal_small, full_dealt, small_dealt


def oracle(p: int, q: int) -> PaillierPrivateKey:
    return PaillierPrivateKey(PaillierPublicKey(p * q), p, q)


def small(encryption: Encryption) -> PublicKey:
    return dataclasses.replace(small_dealt().public, encryption=encryption)


@pytest.mark.parametrize(("dealt", "p", "q", "encryption"), [
    pytest.param(small_dealt, P_512, Q_512, Encryption.DJN, id="1024 bits, djn"),
    pytest.param(small_dealt, P_512, Q_512, Encryption.SHORT, id="1024 bits, short"),
    pytest.param(small_dealt, P_512, Q_512, Encryption.TEXTBOOK, id="1024 bits, textbook"),
    pytest.param(full_dealt, P_1024, Q_1024, Encryption.DJN, id="2048 bits, djn")])
def test_ciphertexts_and_their_products_decrypt_under_phe(dealt: Callable[[], Dealt], p: int, q: int,
                                                          encryption: Encryption) -> None:
    public, n = dataclasses.replace(dealt().public, encryption=encryption), p * q
    plaintexts = [0, 1, n - 1, secrets.randbelow(n), -5]
    mine = Encryptor(public).encrypt(plaintexts).ciphertexts
    private = oracle(p, q)
    assert [private.raw_decrypt(c) for c in public.ring.numbers(mine)] == [m % n for m in plaintexts]
    assert PrivateKey(p, q).decrypt(mine, public) == [m % n for m in plaintexts]
    doubled = multiply({"a": mine, "b": mine}.items(), 5, public)
    assert [private.raw_decrypt(c) for c in public.ring.numbers(doubled)] == [2 * m % n for m in plaintexts]


@pytest.mark.parametrize(("encryption", "bits"), [(Encryption.DJN, 512), (Encryption.SHORT, 512)])
def test_a_ciphertext_is_one_plus_m_n_times_a_power_of_h_s_with_a_fresh_exponent(
        encryption: Encryption, bits: int) -> None:
    public = small(encryption)
    made = Encryptor(public).encrypt([7] * 8)
    square = public.modulus_squared
    for c, r in zip(public.ring.numbers(made.ciphertexts), made.randomness, strict=True):
        assert c == (1 + 7 * public.modulus) * pow(public.generator, r, square) % square
    assert len(set(made.randomness)) == 8
    assert bits - 32 < max(r.bit_length() for r in made.randomness) <= public.randomness_bits == bits


def test_textbook_masks_with_nth_powers_of_fresh_residues() -> None:
    public = small(Encryption.TEXTBOOK)
    made = Encryptor(public).encrypt([7] * 8)
    n, square = public.modulus, public.modulus_squared
    for c, r in zip(public.ring.numbers(made.ciphertexts), made.randomness, strict=True):
        assert c == (1 + 7 * n) * pow(r, n, square) % square
    assert len(set(made.randomness)) == 8
    assert n >> 32 < max(made.randomness) < n


@pytest.mark.parametrize(("encryption", "bits"), [
    (Encryption.DJN, 1024), (Encryption.SHORT, 512), (Encryption.TEXTBOOK, 2048)])
def test_modes_differ_in_what_hides_a_plaintext(encryption: Encryption, bits: int) -> None:
    assert dataclasses.replace(full_dealt().public, encryption=encryption).randomness_bits == bits


def test_no_plaintexts_give_no_ciphertexts() -> None:
    for encryption in Encryption:
        assert Encryptor(small(encryption)).encrypt([]).ciphertexts == b""


def test_secrets_do_not_print() -> None:
    public = small_dealt().public
    made = Encryptor(public).encrypt([7])
    share, private = small_dealt().shares[0], PrivateKey(P_512, Q_512)
    for thing, secret in ((made, made.randomness[0]), (share, share.secret), (private, P_512)):
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


def test_warming_builds_what_the_mode_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for encryption in Encryption:
        Encryptor(small(encryption)).warm()
    monkeypatch.setattr(paillier, "encrypting_table", None)
    Encryptor(small(Encryption.TEXTBOOK)).warm()
