"""Refreshed shares decrypt like the old ones, mixed sets do not, and who deals wrongly is named."""

import secrets
from dataclasses import replace
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.server.crypto import refresh, threshold, trial
from cotally.server.crypto.ceremony import MAXIMUM_REFRESHES, check_public
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.crypto.paillier import Encryptor
from cotally.server.crypto.refresh import ZeroSharing
from cotally.v1.refusals import Misconfigured, Refused
from tests.fixtures.keys import deal_small, small_dealt

PLAINTEXTS = [0, 1, 123456789]
Dealt = tuple[PublicKey, tuple[KeyShare, ...]]


def once(public: PublicKey, shares: tuple[KeyShare, ...]) -> Dealt:
    """Everybody deals, honestly; everybody adds."""
    zeros = {f"holder-{j}": refresh.share_zero(public) for j in range(1, public.key_holders + 1)}
    commitments = {name: zero.commitments for name, zero in zeros.items()}
    after = tuple(
        refresh.refreshed_share(public, share, {n: z.at(share.index) for n, z in zeros.items()}, commitments)
        for share in shares)
    return refresh.refreshed_key(public, list(commitments.values())), after


@cache
def refreshed(times: int, key_holders: int = 3, needed: int = 2) -> Dealt:
    """A small key whose shares were refreshed so often."""
    if not times:
        dealt = deal_small(key_holders, needed, 1)
        return dealt.public, dealt.shares
    return once(*refreshed(times - 1, key_holders, needed))


def opens(public: PublicKey, shares: tuple[KeyShare, ...], check: bool = True) -> bool:
    """Whether these t shares decrypt; `threshold.partial` itself refuses a share of another key."""
    ciphertexts = Encryptor(public).encrypt(PLAINTEXTS).ciphertexts
    partials = {}
    for share in shares:
        power = threshold.exponent(public, share)
        partials[share.index] = public.ring.powers(ciphertexts, power)
    try:
        return threshold.combine(public, partials) == PLAINTEXTS
    except Refused:
        return False


@pytest.mark.parametrize("times", [1, 2, 3])
def test_any_t_refreshed_shares_decrypt(times: int) -> None:
    public, shares = refreshed(times)
    assert public.refreshes == times and public.modulus == small_dealt().public.modulus
    for chosen in combinations(shares, 2):
        assert opens(public, chosen)
    for share in shares:
        threshold.check_share(public, share)
    dealt = small_dealt()
    check_public(public, dealt.wellformed, trial.make(public, shares), minimum_bits=1024)


def test_any_three_of_five_decrypt_after_a_refresh() -> None:
    public, shares = refreshed(1, 5, 3)
    assert all(opens(public, chosen) for chosen in combinations(shares, 3))


@pytest.mark.parametrize("before, after", [(0, 1), (1, 2), (0, 2)])
def test_shares_from_before_and_after_do_not_decrypt_together(before: int, after: int) -> None:
    """t - 1 stolen before a refresh and t - 1 stolen after it are worth nothing."""
    old, new = refreshed(before, 5, 3), refreshed(after, 5, 3)
    for stolen in combinations(range(5), 3):
        for first in range(1, 3):
            mixed = (*(old[1][i] for i in stolen[:first]), *(new[1][i] for i in stolen[first:]))
            assert not opens(new[0], mixed) and not opens(old[0], mixed)
    factor = old[0].delta if before == 0 else 1  # nor when the first refresh's factor is undone
    mixed = (replace(old[1][0], secret=factor * old[1][0].secret), *new[1][1:3])
    assert not opens(new[0], mixed)


def test_an_old_share_is_not_one_of_the_new_key() -> None:
    public, _ = refreshed(1)
    for share in small_dealt().shares:
        with pytest.raises(Misconfigured, match="does not belong"):
            threshold.check_share(public, share)


@given(times=st.integers(1, MAXIMUM_REFRESHES), n=st.integers(2, 12), data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_stated_bound_holds_for_the_largest_shares_and_grows_slowly(
        times: int, n: int, data: st.DataObject) -> None:
    t = data.draw(st.integers(2, n))
    public = replace(small_dealt().public, key_holders=n, threshold=t, refreshes=times)
    largest = (1 << public.refresh_bits) - 1
    worst = ZeroSharing((), (largest,) * (t - 1)).at(n)
    assert worst < public.subshare_bound
    assert (public.delta * (public.modulus**2 - 1) + times * n * worst).bit_length() <= public.share_bits
    once_more = replace(public, refreshes=times + 1)
    assert once_more.share_bits - public.share_bits <= 1


def test_the_bound_is_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares come close to it: a bound that is much too large would make every decryption slower."""
    public, shares = refreshed(3)
    assert all(public.share_bits - 16 <= share.secret.bit_length() <= public.share_bits for share in shares)


def test_who_deals_wrongly_is_named() -> None:
    public, shares = refreshed(0)
    zeros = {f"holder-{j}": refresh.share_zero(public) for j in (1, 2, 3)}
    commitments = {name: zero.commitments for name, zero in zeros.items()}
    honest = {name: zero.at(1) for name, zero in zeros.items()}

    def add(subshares: dict[str, int], committed: dict[str, tuple[int, ...]] = commitments) -> None:
        refresh.refreshed_share(public, shares[0], subshares, committed)

    add(honest)
    order = public.modulus * (public.modulus // 4)  # near N m: what a cheater who knew it would have to add
    for wrong in (honest["holder-2"] + 1, honest["holder-2"] - 1, zeros["holder-2"].at(2),
                  honest["holder-2"] + order, secrets.randbelow(public.subshare_bound)):
        with pytest.raises(Refused, match="holder-2 dealt a sub-share to share 1 that its commitments"):
            add(honest | {"holder-2": wrong})
    for outside in (-1, public.subshare_bound):
        with pytest.raises(Refused, match="holder-2 dealt a sub-share out of range"):
            add(honest | {"holder-2": outside})
    for value in (0, public.modulus, public.modulus_squared):
        with pytest.raises(Refused, match="holder-3 commits to a value that is no unit"):
            add(honest, commitments | {"holder-3": (value,)})
    with pytest.raises(Refused, match="holder-3 commits to 2 coefficients"):
        add(honest, commitments | {"holder-3": commitments["holder-3"] * 2})
    with pytest.raises(Refused, match="2 of 3 key holders dealt"):
        add({n: v for n, v in honest.items() if n != "holder-3"},
            {n: c for n, c in commitments.items() if n != "holder-3"})


def test_nobody_moves_the_secret() -> None:
    """A dealer whose polynomial is not 0 at 0 has no commitments that say so."""
    public, shares = refreshed(0)
    zero = refresh.share_zero(public)
    for share in shares:
        with pytest.raises(Refused, match="mallory"):
            refresh.check_subshare(public, share.index, zero.at(share.index) + 7, zero.commitments, "mallory")


@pytest.mark.parametrize("index", [1, 2, 3])
def test_every_proof_of_a_refreshed_share_is_checked(index: int) -> None:
    public, shares = refreshed(1)
    answer = trial.make(public, [shares[index - 1]])
    trial.verify_answer(public, index, answer)
    with pytest.raises(Refused, match=f"share {index}"):
        trial.verify_answer(public, index, answer[:-1] + bytes([answer[-1] ^ 1]))
    with pytest.raises(Refused):
        trial.verify_answer(public, index % 3 + 1, answer)


def test_what_cannot_be_refreshed_says_so() -> None:
    alone = deal_small(3, 1, 1).public
    with pytest.raises(Misconfigured, match="every share is the whole key"):
        refresh.share_zero(alone)
    with pytest.raises(Misconfigured, match="rotate"):
        refresh.share_zero(replace(small_dealt().public, refreshes=MAXIMUM_REFRESHES))


def test_a_sharing_does_not_print() -> None:
    zero = refresh.share_zero(small_dealt().public)
    assert repr(zero) == "ZeroSharing(...)" and str(zero) == "ZeroSharing(...)"
