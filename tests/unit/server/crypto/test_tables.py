"""Tables stay within what they promise, and serve the proofs as well."""

import dataclasses

import pytest

from cotally.server.crypto import tables
from cotally.server.crypto.keys import PublicKey
from cotally.server.model.encryption import Encryption
from tests.fixtures.keys import small_dealt

MEBIBYTE = 1 << 20
PUBLIC = small_dealt().public


def of_size(bits: int, encryption: Encryption) -> PublicKey:
    modulus = (1 << bits - 1) + 1  # only its length counts
    return dataclasses.replace(PUBLIC, modulus=modulus, base=3, encryption=encryption)


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
@pytest.mark.parametrize("encryption", [Encryption.DJN, Encryption.SHORT])
def test_tables_stay_within_64_mebibytes_whatever_the_key(bits: int, encryption: Encryption,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PublicKey, "generator", 3)
    monkeypatch.setattr(tables, "_table", tables._table.__wrapped__)
    public = of_size(bits, encryption)
    for make, mebibytes in ((tables.encrypting_table, 64), (tables.checking_table, 20),
                            (tables.verification_table, 40)):
        table = make(public)
        assert mebibytes * MEBIBYTE // 4 < table.table_bytes <= mebibytes * MEBIBYTE


def test_the_nonces_outgrow_what_they_hide_by_256_bits() -> None:
    longest = (1 << 128) - 1
    masks = longest * ((1 << 32) - 1) * longest * ((1 << PUBLIC.randomness_bits) - 1)
    assert tables.mask_nonce_bits(PUBLIC) >= masks.bit_length() + 256
    for public in (PUBLIC, dataclasses.replace(PUBLIC, refreshes=3)):
        share = longest * public.delta * ((1 << public.share_bits) - 1)
        assert tables.share_nonce_bits(public) >= share.bit_length() + 256
    assert PUBLIC.share_bits >= (PUBLIC.modulus**2).bit_length()


def test_a_table_serves_the_longest_answer_of_a_proof() -> None:
    for table, bits in ((tables.encrypting_table(PUBLIC), tables.mask_nonce_bits(PUBLIC)),
                        (tables.checking_table(PUBLIC), tables.mask_nonce_bits(PUBLIC)),
                        (tables.verification_table(PUBLIC), tables.share_nonce_bits(PUBLIC))):
        assert table.exponent_bits == bits + 1
    longest = (1 << tables.mask_nonce_bits(PUBLIC) + 1) - 1
    expected = pow(PUBLIC.generator, longest, PUBLIC.modulus_squared)
    assert tables.encrypting_table(PUBLIC).power(longest) == expected


def test_a_refresh_of_the_shares_keeps_the_tables_of_the_masks() -> None:
    refreshed = dataclasses.replace(PUBLIC, refreshes=1, verification=PUBLIC.verification[::-1])
    assert tables.encrypting_table(refreshed) is tables.encrypting_table(PUBLIC)
    assert tables.verification_table(refreshed) is not tables.verification_table(PUBLIC)  # longer answers
