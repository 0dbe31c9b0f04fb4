"""A dealt key proves itself; every changed part of it is refused."""

import dataclasses

import pytest

from cotally.server.crypto import ceremony, trial
from cotally.server.crypto.ceremony import Dealt, check_public
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.crypto.safe_primes import safe_prime
from cotally.server.crypto.threshold import check_share
from cotally.server.model.encryption import Encryption
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.keys import P_512, Q_512, deal_small, full_dealt, small_dealt

DEALT = small_dealt()
PUBLIC = DEALT.public
SQUARE = PUBLIC.modulus_squared


def check(dealt: Dealt) -> None:
    check_public(dealt.public, dealt.wellformed, dealt.trial, minimum_bits=1024)


def refusal(**changes: object) -> tuple[Refusal, str]:
    changed = dataclasses.replace(PUBLIC, **changes)  # type: ignore[arg-type]
    with pytest.raises(Refused) as caught:
        check_public(changed, DEALT.wellformed, DEALT.trial, minimum_bits=1024)
    return caught.value.refusal, caught.value.message


@pytest.mark.parametrize("dealt", [
    small_dealt(), deal_small(1, 1, 1), deal_small(3, 1, 7), deal_small(5, 3, 1), deal_small(4, 4, 0)])
def test_honest_keys_and_shares_pass(dealt: Dealt) -> None:
    check(dealt)
    for share in dealt.shares:
        check_share(dealt.public, share)


def test_a_key_of_2048_bits_passes_and_one_of_1024_is_too_short_by_default() -> None:
    full = full_dealt()
    check_public(full.public, full.wellformed, full.trial)
    with pytest.raises(Refused, match="1024 bits") as caught:
        check_public(PUBLIC, DEALT.wellformed, DEALT.trial)
    assert caught.value.refusal is Refusal.MALFORMED


def test_a_fresh_ceremony_deals_a_key_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceremony, "MINIMUM_BITS", 512)
    monkeypatch.setattr(ceremony, "check_public", lambda public, form, trial: check_public(
        public, form, trial, minimum_bits=512))
    heard: list[str] = []
    dealt = ceremony.deal(512, 3, 2, 4, heard.append)
    assert dealt.public.bits == 512
    assert len(heard) >= 3
    assert dealt.shares != ceremony.deal(512, 3, 2, 4, heard.append).shares


@pytest.mark.parametrize(("bits", "n", "t"), [(1024, 3, 2), (2049, 3, 2), (1 << 20, 3, 2), (-1, 3, 2),
                                              (2048, 2, 3), (2048, 3, 0), (2048, 0, 0), (2048, 65, 2)])
def test_impossible_sizes_are_misconfigured(bits: int, n: int, t: int) -> None:
    with pytest.raises(Misconfigured):
        ceremony.deal(bits, n, t, 1, print)


@pytest.mark.parametrize(("changes", "expected"), [
    ({"modulus": PUBLIC.modulus * 2}, Refusal.MALFORMED),
    ({"modulus": PUBLIC.modulus + 4}, None),
    ({"modulus": P_512 * P_512}, Refusal.MALFORMED),
    ({"modulus": P_512}, Refusal.MALFORMED),
    ({"epoch": 2}, Refusal.BAD_PROOF),
    ({"epoch": -1}, Refusal.MALFORMED),
    ({"base": 4}, Refusal.BAD_PROOF),
    ({"base": 1}, Refusal.BAD_PROOF),
    ({"threshold": 3}, Refusal.MALFORMED),
    ({"threshold": 0, "coefficients": ()}, Refusal.MALFORMED),
    ({"key_holders": 2}, Refusal.MALFORMED),
    ({"verification": PUBLIC.verification[::-1]}, Refusal.BAD_PROOF),
    ({"verification": (0, *PUBLIC.verification[1:])}, Refusal.MALFORMED),
    ({"verification": (PUBLIC.verification[0] + SQUARE, *PUBLIC.verification[1:])}, Refusal.MALFORMED),
    ({"verification": (PUBLIC.modulus, *PUBLIC.verification[1:])}, Refusal.MALFORMED),
    ({"verification": (SQUARE - PUBLIC.verification[0], *PUBLIC.verification[1:])}, Refusal.BAD_PROOF),
    ({"coefficients": PUBLIC.coefficients[::-1]}, Refusal.BAD_PROOF),
    ({"coefficients": (1, PUBLIC.coefficients[1])}, Refusal.BAD_PROOF),
    ({"coefficients": (*PUBLIC.coefficients, 1)}, Refusal.MALFORMED),
])
def test_a_changed_public_key_is_refused(changes: dict[str, object], expected: Refusal | None) -> None:
    found, message = refusal(**changes)
    assert expected is None or found is expected, message


def test_a_consistent_polynomial_of_another_secret_fails_its_trial() -> None:
    """The dealer shares d + N: Feldman's relation holds, but nothing decrypts."""
    m = (P_512 // 2) * (Q_512 // 2)
    shifted = [KeyShare(s.index, s.secret + m) for s in DEALT.shares]
    power = pow(PUBLIC.base, PUBLIC.delta * m, SQUARE)
    public = dataclasses.replace(
        PUBLIC, verification=tuple(v * power % SQUARE for v in PUBLIC.verification),
        coefficients=(PUBLIC.coefficients[0] * power % SQUARE, PUBLIC.coefficients[1]))
    for share in shifted:
        check_share(public, share)
    with pytest.raises(Refused, match="do not open the trial"):
        check(Dealt(public, tuple(shifted), DEALT.wellformed, trial.make(public, shifted)))


def test_a_secret_that_does_not_decrypt_shows_in_its_commitment() -> None:
    power = pow(PUBLIC.base, PUBLIC.delta, SQUARE)
    found, message = refusal(
        verification=tuple(v * power % SQUARE for v in PUBLIC.verification),
        coefficients=(PUBLIC.coefficients[0] * power % SQUARE, PUBLIC.coefficients[1]))
    assert (found, "first coefficient" in message) == (Refusal.BAD_PROOF, True)


def test_a_key_dealt_over_a_chosen_base_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else is consistent: only deriving v again shows that the dealer chose it."""
    with monkeypatch.context() as patched:
        patched.setattr(ceremony, "verification_base", lambda modulus, epoch: 3**10 % modulus)
        chosen = ceremony._deal_from_primes(P_512, Q_512, 3, 2, 1, [12345])
    with pytest.raises(Refused, match="not the derived one"):
        check(chosen)


def _changed(data: bytes, position: int) -> bytes:
    out = bytearray(data)
    out[position] ^= 1
    return bytes(out)


@pytest.mark.parametrize("position", [127, 255, 767, 1023, 1279, 1580, -1, -400])
def test_changed_trial_decryptions_are_refused(position: int) -> None:
    with pytest.raises(Refused):
        trial.verify(PUBLIC, _changed(DEALT.trial, position))


@pytest.mark.parametrize("data", [b"", DEALT.trial[:-1], DEALT.trial + b"\0", b"\0" * len(DEALT.trial)])
def test_trial_decryptions_of_another_form_are_malformed(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        trial.verify(PUBLIC, data)
    assert caught.value.refusal is Refusal.MALFORMED


def test_the_trial_ciphertexts_are_fresh_per_key() -> None:
    assert trial.trials(PUBLIC) == trial.trials(PUBLIC)
    other: PublicKey = deal_small(3, 2, 2).public
    assert {*trial.trials(PUBLIC)[1]}.isdisjoint(trial.trials(other)[1])
    assert trial.trials(dataclasses.replace(PUBLIC, encryption=Encryption.TEXTBOOK)) == trial.trials(PUBLIC)


@pytest.mark.parametrize("share", [
    KeyShare(1, DEALT.shares[1].secret), KeyShare(2, DEALT.shares[0].secret), KeyShare(0, 1), KeyShare(4, 1),
    KeyShare(1, DEALT.shares[0].secret + 1), KeyShare(1, 0), KeyShare(1, -DEALT.shares[0].secret),
    KeyShare(3, 5),
])
def test_a_share_that_does_not_belong_is_refused(share: KeyShare) -> None:
    with pytest.raises(Misconfigured, match=f"key share {share.index}"):
        check_share(PUBLIC, share)


def test_a_safe_prime_is_one() -> None:
    import gmpy2
    for bits in (64, 128, 256):
        p = safe_prime(bits)
        assert p.bit_length() == bits
        assert p >> bits - 2 == 3
        assert gmpy2.is_prime(p)
        assert gmpy2.is_prime(p // 2)
