"""Any t shares decrypt; wrong partials, shares and forms are refused."""

import itertools
import secrets

import pytest

from cotally.server.crypto import threshold
from cotally.server.crypto.aggregation import multiply
from cotally.server.crypto.keys import KeyShare
from cotally.server.crypto.paillier import Encryptor
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.keys import P_512, deal_small, full_dealt, small_dealt

PUBLIC = small_dealt().public
SQUARE = PUBLIC.modulus_squared
PLAINTEXTS = [0, 1, PUBLIC.modulus - 1, secrets.randbelow(PUBLIC.modulus)]
Numbers = dict[int, list[int]]


@pytest.fixture(scope="module")
def partials() -> Numbers:
    products = Encryptor(PUBLIC).encrypt(PLAINTEXTS).ciphertexts
    return {s.index: PUBLIC.ring.numbers(threshold.partial(PUBLIC, s, products))
            for s in small_dealt().shares}


def combine(partials: Numbers) -> list[int]:
    """Combine numbers, out of range or not."""
    return threshold.combine(PUBLIC, {i: b"".join(
        number.to_bytes(PUBLIC.ciphertext_bytes, "big") for number in numbers)
        for i, numbers in partials.items()})


@pytest.mark.parametrize(("n", "t"), [(1, 1), (2, 2), (3, 1), (5, 3), (4, 4)])
def test_any_t_of_n_decrypt(n: int, t: int) -> None:
    dealt = deal_small(n, t, 1)
    products = multiply({k: Encryptor(dealt.public).encrypt([7, -2]).ciphertexts for k in "ab"}.items(), 2,
                        dealt.public)
    answers = {s.index: threshold.partial(dealt.public, s, products) for s in dealt.shares}
    for group in itertools.combinations(answers, t):
        assert threshold.combine(dealt.public, {i: answers[i] for i in group}) == [
            14, dealt.public.modulus - 4]
    assert threshold.combine(dealt.public, answers) == [14, dealt.public.modulus - 4]


def test_a_key_of_2048_bits_decrypts() -> None:
    dealt = full_dealt()
    products = Encryptor(dealt.public).encrypt([5]).ciphertexts
    answers = {s.index: threshold.partial(dealt.public, s, products) for s in dealt.shares[1:]}
    assert threshold.combine(dealt.public, answers) == [5]


def test_the_partials_are_the_stated_powers() -> None:
    share = small_dealt().shares[0]
    c = Encryptor(PUBLIC).encrypt([1]).ciphertexts
    [number] = PUBLIC.ring.numbers(c)
    assert PUBLIC.ring.numbers(threshold.partial(PUBLIC, share, c)) == [
        pow(number, 2 * 6 * share.secret, SQUARE)]


def test_combining_opens_every_plaintext(partials: Numbers) -> None:
    assert combine(partials) == PLAINTEXTS


def test_too_few_partials_are_refused(partials: Numbers) -> None:
    with pytest.raises(Refused) as caught:
        combine({3: partials[3]})
    assert caught.value.refusal is Refusal.TOO_FEW_KEY_HOLDERS


@pytest.mark.parametrize("wrong", [
    lambda p: {1: [p[1][0] * 2 % SQUARE, *p[1][1:]], 2: p[2]},
    lambda p: {1: p[2], 2: p[1]},
    lambda p: {1: p[3], 2: p[2]},
    lambda p: {1: p[1][::-1], 2: p[2]},
    lambda p: {1: [1, 1, 1, 1], 2: p[2]},
    lambda p: {1: [PUBLIC.modulus, *p[1][1:]], 2: p[2]},
    lambda p: {1: p[1], 2: [P_512, *p[2][1:]]},  # has no inverse, and its exponent is negative
])
def test_partials_that_do_not_fit_are_refused(wrong: object, partials: Numbers) -> None:
    assert callable(wrong)
    with pytest.raises(Refused) as caught:
        combine(wrong(partials))
    assert caught.value.refusal is Refusal.BAD_PROOF


@pytest.mark.parametrize("wrong", [
    lambda p: {0: p[1], 2: p[2]},
    lambda p: {1: p[1], 4: p[2]},
    lambda p: {1: p[1][:2], 2: p[2]},
    lambda p: {1: [], 2: []},
    lambda p: {1: [0, *p[1][1:]], 2: p[2]},
    lambda p: {1: [SQUARE + 1, *p[1][1:]], 2: p[2]},
])
def test_partials_of_another_form_are_refused(wrong: object, partials: Numbers) -> None:
    assert callable(wrong)
    with pytest.raises(Refused) as caught:
        combine(wrong(partials))
    assert caught.value.refusal is Refusal.MALFORMED


def test_fewer_than_t_shares_hold_nothing_that_decrypts(partials: Numbers) -> None:
    """One share of two, used as if it were the key, opens no plaintext."""
    n = PUBLIC.modulus
    assert all(pow(partial, 2, SQUARE) % n != 1 for partial in partials[1][1:])


@pytest.mark.parametrize("share", [
    KeyShare(1, small_dealt().shares[1].secret), KeyShare(0, small_dealt().shares[0].secret), KeyShare(4, 1),
    deal_small(3, 3, 1).shares[0], KeyShare(1, -1), KeyShare(1, 0),
    KeyShare(1, small_dealt().shares[0].secret + (1 << PUBLIC.share_bits)),
])
def test_a_share_of_another_key_decrypts_nothing(share: KeyShare) -> None:
    products = Encryptor(PUBLIC).encrypt([1]).ciphertexts
    threshold.partial(PUBLIC, small_dealt().shares[0], products)
    with pytest.raises(Misconfigured, match=f"key share {share.index}"):
        threshold.partial(PUBLIC, share, products)


def test_a_share_that_belongs_is_looked_at_once_and_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    share = deal_small(3, 2, 9).shares[1]
    known: set[bytes] = set()
    monkeypatch.setattr(threshold, "_belonging", known)
    threshold.check_share(deal_small(3, 2, 9).public, share)
    [digest] = known
    assert len(digest) == 32
    monkeypatch.setattr(type(PUBLIC.ring), "secret_powers", None)
    threshold.check_share(deal_small(3, 2, 9).public, share)
