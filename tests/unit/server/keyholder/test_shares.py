"""The share in use, the share that waits, and the step from one to the other."""

import asyncio
import io
from pathlib import Path

import pytest

from cotally.server.crypto import refresh, sharefile
from cotally.server.crypto.keys import KeyShare, PublicKey
from cotally.server.keyholder.shares import Shares, beside, place
from cotally.server.rpc.logs import Log
from cotally.server.wire import keys as wire_keys
from cotally.server.wire.federation import Federation
from cotally.v1 import catalog_pb2, roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured
from tests.fixtures.keys import deal_small, small_dealt

SECRET = b"correct horse"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sharefile._SCRYPT, "n", 1 << 14)


def federation(public: PublicKey) -> Federation:
    """As much of a federation as a share needs."""
    key, listed = wire_keys.to_message(public, b"", b""), catalog_pb2.Catalog(federation="f")
    roster = roster_pb2.Roster(version=1, federation="f", epoch=1, public_key=digest("public_key", key),
                               policy=roster_pb2.Policy(delta="0.1", tick_ms=1, round_ms=1,
                                                        encryption=roster_pb2.ENCRYPTION_DJN))
    return Federation(roster_pb2.Charter(roster=roster, catalog=listed, public_key=key))


def lay(path: Path, share: KeyShare, of: Federation) -> Path:
    sharefile.write(path, share, of.share_binding, SECRET)
    return path


def refreshed() -> tuple[Federation, KeyShare]:
    """The small key and its first share after one refresh."""
    dealt = small_dealt()
    zeros = {f"holder-{j}": refresh.share_zero(dealt.public) for j in (1, 2, 3)}
    commitments = {name: zero.commitments for name, zero in zeros.items()}
    share = refresh.refreshed_share(dealt.public, dealt.shares[0], {n: z.at(1) for n, z in zeros.items()},
                                    commitments)
    return federation(refresh.refreshed_key(dealt.public, list(commitments.values()))), share


def test_a_waiting_share_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    before, (after, share) = federation(small_dealt().public), refreshed()
    path = lay(tmp_path / "k.share", small_dealt().shares[0], before)
    waiting = lay(beside(path, after.key), share, after)
    shares = Shares(path, SECRET)
    assert shares.open(before) == small_dealt().shares[0] and shares.open(after) == share
    shares.settle(before)  # a start before the switch leaves the waiting share where it is
    assert waiting.exists() and place(path, before.key) == path
    keep = path.with_name("k.share.of-a-rotation-01")
    keep.write_text("a note")
    shares.settle(after)
    assert sorted(tmp_path.iterdir()) == [path, keep]
    assert shares.open(after) == share
    shares.settle(after)  # again, as after a stop in between
    with pytest.raises(Misconfigured, match="another public key"):
        shares.open(before)


def test_shares_that_were_overtaken_are_removed_and_those_of_keys_to_come_wait_on(tmp_path: Path) -> None:
    """A holder that was away for a refresh finds the share of the rotation after it too: the only copy."""
    before, (after, share) = federation(small_dealt().public), refreshed()
    given_up, (rotated, later) = refreshed()[0], (deal_small(3, 2, 2).public, deal_small(3, 2, 2).shares[0])
    path = lay(tmp_path / "k.share", small_dealt().shares[0], before)
    for of in (after, given_up, next_one := federation(rotated)):
        lay(beside(path, of.key), later if of is next_one else share, of)
    shares = Shares(path, SECRET)
    shares.settle(before)
    others = lay(beside(tmp_path / "l.share", after.key), share, after)  # of another holder
    shares.settle(after)
    assert sorted(tmp_path.iterdir()) == [path, beside(path, rotated), others]
    assert shares.open(after) == share and shares.open(next_one) == later
    shares.settle(next_one)
    assert sorted(tmp_path.iterdir()) == [path, others] and shares.open(next_one) == later


def test_a_share_that_the_published_key_does_not_prove_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    """Whatever its file says: v^(Delta s_i) is compared with v_i."""
    after, share = refreshed()
    too_long = KeyShare(1, share.secret + (1 << after.key.share_bits))
    for at, wrong in enumerate((KeyShare(1, share.secret + 1), KeyShare(2, share.secret),
                                small_dealt().shares[0], too_long)):
        path = lay(tmp_path / f"{at}.share", wrong, after)
        with pytest.raises(Misconfigured, match="key share"):
            Shares(path, SECRET).open(after)


def test_a_missing_share_is_named_and_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, (after, share) = federation(small_dealt().public), refreshed()
    with pytest.raises(Misconfigured, match="no key share here"):
        place(tmp_path / "k.share", after.key)
    path = lay(tmp_path / "k.share", small_dealt().shares[0], before)
    with pytest.raises(Misconfigured, match=r"refreshed since .* no k\.share\.1-1-[0-9a-f]{16} beside it"):
        Shares(path, SECRET).open(after)
    monkeypatch.setattr("cotally.server.keyholder.shares.POLL_S", 0.01)
    said = io.StringIO()

    async def wait() -> KeyShare:
        task = asyncio.create_task(Shares(path, SECRET).awaited(after, Log("keyholder", "k", stream=said)))
        await asyncio.sleep(0.1)
        lay(beside(path, after.key), share, after)
        return await task

    assert asyncio.run(wait()) == share
    assert said.getvalue().count("no_share_yet") == 1
