"""Any t shares decrypt; wrong partials, shares and forms are refused."""

import itertools
import secrets

import pytest

from cotally.server.crypto import ciphertexts, threshold
from cotally.server.crypto.paillier import Encryptor
from cotally.v1.refusals import Refusal, Refused
from tests.fixtures.keys import P_512, deal_small, full_dealt, small_dealt

PUBLIC = small_dealt().public
PLAINTEXTS = (0, 1, PUBLIC.modulus - 1, secrets.randbelow(PUBLIC.modulus))


@pytest.fixture(scope="module")
def partials() -> dict[int, tuple[int, ...]]:
    products = Encryptor(PUBLIC).encrypt(PLAINTEXTS).ciphertexts
    return {s.index: threshold.partial(PUBLIC, s, products) for s in small_dealt().shares}


@pytest.mark.parametrize(("n", "t"), [(1, 1), (2, 2), (3, 1), (5, 3), (4, 4)])
def test_any_t_of_n_decrypt(n: int, t: int) -> None:
    dealt = deal_small(n, t, 1)
    products = ciphertexts.multiply({k: Encryptor(dealt.public).encrypt([7, -2]).ciphertexts for k in "ab"},
                                    dealt.public)
    answers = {s.index: threshold.partial(dealt.public, s, products) for s in dealt.shares}
    for group in itertools.combinations(answers, t):
        assert threshold.combine(dealt.public, {i: answers[i] for i in group}) == (
            14, dealt.public.modulus - 4)
    assert threshold.combine(dealt.public, answers) == (14, dealt.public.modulus - 4)


def test_a_key_of_2048_bits_decrypts() -> None:
    dealt = full_dealt()
    products = Encryptor(dealt.public).encrypt([5]).ciphertexts
    answers = {s.index: threshold.partial(dealt.public, s, products) for s in dealt.shares[1:]}
    assert threshold.combine(dealt.public, answers) == (5,)


def test_the_partials_are_the_stated_powers(partials: dict[int, tuple[int, ...]]) -> None:
    share = small_dealt().shares[0]
    c = Encryptor(PUBLIC).encrypt([1]).ciphertexts
    assert threshold.partial(PUBLIC, share, c) == (pow(c[0], 2 * 6 * share.secret, PUBLIC.modulus_squared),)


def test_combining_opens_every_plaintext(partials: dict[int, tuple[int, ...]]) -> None:
    assert threshold.combine(PUBLIC, partials) == PLAINTEXTS


def test_too_few_partials_are_refused(partials: dict[int, tuple[int, ...]]) -> None:
    with pytest.raises(Refused) as caught:
        threshold.combine(PUBLIC, {3: partials[3]})
    assert caught.value.refusal is Refusal.TOO_FEW_KEY_HOLDERS


@pytest.mark.parametrize("wrong", [
    lambda p: {1: (p[1][0] * 2, *p[1][1:]), 2: p[2]},
    lambda p: {1: p[2], 2: p[1]},
    lambda p: {1: p[3], 2: p[2]},
    lambda p: {1: p[1][::-1], 2: p[2]},
    lambda p: {1: (1, 1, 1, 1), 2: p[2]},
    lambda p: {1: (PUBLIC.modulus, *p[1][1:]), 2: p[2]},
    lambda p: {1: p[1], 2: (P_512, *p[2][1:])},  # has no inverse, and its exponent is negative
])
def test_partials_that_do_not_fit_are_refused(wrong: object, partials: dict[int, tuple[int, ...]]) -> None:
    assert callable(wrong)
    with pytest.raises(Refused) as caught:
        threshold.combine(PUBLIC, {i: tuple(c % PUBLIC.modulus_squared for c in p)
                                   for i, p in wrong(partials).items()})
    assert caught.value.refusal is Refusal.BAD_PROOF


@pytest.mark.parametrize("wrong", [
    lambda p: {0: p[1], 2: p[2]},
    lambda p: {1: p[1], 4: p[2]},
    lambda p: {1: p[1][:2], 2: p[2]},
    lambda p: {1: (0, *p[1][1:]), 2: p[2]},
    lambda p: {1: (PUBLIC.modulus_squared + 1, *p[1][1:]), 2: p[2]},
])
def test_partials_of_another_form_are_refused(wrong: object, partials: dict[int, tuple[int, ...]]) -> None:
    assert callable(wrong)
    with pytest.raises(Refused) as caught:
        threshold.combine(PUBLIC, wrong(partials))
    assert caught.value.refusal is Refusal.MALFORMED


def test_fewer_than_t_shares_hold_nothing_that_decrypts(partials: dict[int, tuple[int, ...]]) -> None:
    """One share of two, used as if it were the key, opens no plaintext."""
    square, n = PUBLIC.modulus_squared, PUBLIC.modulus
    assert all(pow(partial, 2, square) % n != 1 for partial in partials[1][1:])
