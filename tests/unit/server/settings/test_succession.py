"""A role begins with the charter that its log puts in force, wherever a stop came."""

import asyncio
import copy
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from cotally.server.crypto.signing import SigningKey
from cotally.server.rpc.logs import Log
from cotally.server.settings import party
from cotally.server.settings import succession as switching
from cotally.server.settings.party import Party
from cotally.server.settings.succession import Succession
from cotally.server.wire import charter as charters
from cotally.server.wire import keys, succession
from cotally.server.wire.federation import Federation
from cotally.server.wire.signed import sign
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured
from tests.fixtures.keys import full_dealt, next_dealt
from tests.protocol.lab import DEPARTMENTS
from tests.protocol.test_charter import approved, key_of


@pytest.fixture
def first() -> Federation:
    return Federation(approved())


@pytest.fixture
def second(first: Federation) -> roster_pb2.Charter:
    """A rotation of `first` that every department approved."""
    dealt = next_dealt()
    charter = succession.succeed(
        first.charter, keys.to_message(dealt.public, dealt.wellformed, dealt.trial))
    charter.approvals.extend(
        roster_pb2.Approval(department=d, signature=sign(key_of(d), "roster", charter.roster))
        for d in DEPARTMENTS)
    return charter


def us(first: Federation, state: Path) -> Party:
    return Party(first, first.coordinator(), SigningKey.generate(), state, 0, first.roster)


def test_the_log_decides_between_the_old_and_the_new_charter(
        first: Federation, second: roster_pb2.Charter, tmp_path: Path) -> None:
    role, after = us(first, tmp_path), digest("roster", second.roster)
    assert role.in_force(first.roster) is first
    role.keep(second)
    assert role.in_force(first.roster) is first  # stored, and not yet in force
    assert not (tmp_path / party.CHARTER).exists()
    assert role.in_force(after).roster == after  # the log switched, and we stopped before `adopt`
    assert (tmp_path / party.CHARTER).exists() and not (tmp_path / party.SUCCESSOR).exists()
    assert charters.load(tmp_path / party.CHARTER, first.roster).key == next_dealt().public
    assert role.in_force(b"a later one".ljust(32)) is first  # the coordinator tells us of it


def test_a_stored_successor_is_checked_again_when_it_is_loaded(
        first: Federation, second: roster_pb2.Charter, tmp_path: Path) -> None:
    second.approvals.pop()
    role = us(first, tmp_path)
    role.keep(second)
    with pytest.raises(Misconfigured, match="not signed by tax"):
        role.in_force(digest("roster", second.roster))


def test_a_config_may_pin_any_roster_of_the_chain(
        first: Federation, second: roster_pb2.Charter, tmp_path: Path) -> None:
    path = tmp_path / "charter.bin"
    path.write_bytes(second.SerializeToString())
    for pin in (first.roster, digest("roster", second.roster)):
        assert charters.load(path, pin).key == next_dealt().public
    with pytest.raises(Misconfigured, match="is pinned"):
        charters.load(path, b"p" * 32)
    assert full_dealt().public != next_dealt().public


class Role:
    """A role that makes ready for charters, one of which may take its time."""

    def __init__(self, first: Federation, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(switching, "check_successor", lambda _, charter: Federation(charter))
        self.held = asyncio.Event()
        self.held.set()
        self.built: list[bytes] = []
        self.working = [first.roster]
        self.said: list[bytes] = []
        self.state = state
        self.succession = Succession(us(first, state), first, self._build, self.working.append,
                                     Log("node", "n", stream=io.StringIO()))

    async def _build(self, federation: Federation) -> bytes:
        self.built.append(federation.roster)
        await self.held.wait()
        return federation.roster

    async def _say(self, roster: bytes) -> None:
        self.said.append(roster)

    async def offer(self, charter: roster_pb2.Charter) -> bytes:
        """Offer *charter*; return its digest once the role makes ready for it."""
        roster = digest("roster", charter.roster)
        self.succession.offer(charter, self._say)
        await until(lambda: roster in self.built)
        return roster

    def begins_with(self) -> bytes:
        """What a restart would begin with."""
        return charters.fingerprint(self.state / party.CHARTER)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


def sibling(second: roster_pb2.Charter) -> roster_pb2.Charter:
    """Another successor of the same roster, from an attempt that was given up."""
    charter = copy.deepcopy(second)
    charter.public_key.epoch += 1
    charter.roster.public_key = digest("public_key", charter.public_key)
    return charter


def test_of_two_successors_a_restart_begins_with_the_one_that_the_log_chose(
        first: Federation, second: roster_pb2.Charter, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a key holder would put the other one's share in the place of its own, which is gone then."""
    async def scene() -> None:
        role = Role(first, tmp_path, monkeypatch)
        chosen = await role.offer(second)
        await until(lambda: role.said == [chosen])
        role.held.clear()
        await role.offer(sibling(second))  # it is stored and being built when the log speaks
        role.succession.logged(chosen)
        assert role.working == [first.roster, chosen] and role.begins_with() == chosen
        role.held.set()
        await until(lambda: len(role.said) == 2)
        assert role.working[-1] == chosen

    asyncio.run(scene())


def test_a_role_that_lags_switches_before_it_says_that_it_is_ready(
        first: Federation, second: roster_pb2.Charter, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """For that answer brings it the next charter, whose work ends what is still to be done for this one."""
    async def scene() -> None:
        role = Role(first, tmp_path, monkeypatch)
        roster, working = digest("roster", second.roster), []

        async def say(_: bytes) -> None:
            working.extend(role.working)

        role.succession.logged(roster)
        role.succession.offer(second, say)
        await until(lambda: working)
        assert working == [first.roster, roster]

    asyncio.run(scene())


def test_a_switch_that_could_not_be_stored_is_tried_again(
        first: Federation, second: roster_pb2.Charter, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        role = Role(first, tmp_path, monkeypatch)
        chosen = await role.offer(second)
        await until(lambda: role.said)
        with monkeypatch.context() as full:
            full.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
            with pytest.raises(OSError, match="no space"):
                role.succession.logged(chosen)
        assert role.working == [first.roster]
        role.succession.logged(chosen)
        assert role.working[-1] == chosen == role.begins_with()

    asyncio.run(scene())
