"""A role begins with the charter that its log puts in force, wherever a stop came."""

from pathlib import Path

import pytest

from cotally.server.crypto.signing import SigningKey
from cotally.server.settings import party
from cotally.server.settings.party import Party
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
