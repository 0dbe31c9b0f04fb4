"""The commands of a refresh and a rotation: files in a folder, and nothing half done."""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

import pytest

from cotally.server.crypto import ceremony as dealing
from cotally.server.crypto import sharefile
from cotally.server.keyholder.shares import Shares
from cotally.server.ops import reach, succession, together
from cotally.server.ops.ceremony import hold, keep_passphrases, sandbox_arrangement
from cotally.server.ops.federation import ApproveCommand
from cotally.server.ops.refresh import AddCommand, DealCommand, GatherCommand, OfferCommand, RefreshCommand
from cotally.server.ops.rotate import RotateCommand, RotateDealCommand
from cotally.server.ops.spec import load_spec
from cotally.server.settings import config, party
from cotally.server.wire import charter as charters
from cotally.server.wire import keys
from cotally.v1 import roster_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured
from tests.fixtures.keys import full_dealt, next_dealt

SPEC = """\
[federation]
name = "small"
key_bits = 2048
min_departments = 2
[[tables]]
name = "people"
unit = "pid"
max_people = 1000
columns = [{ name = "age", type = "integer", lower = 0, upper = 100 }]
[[departments]]
name = "left"
budget = { epsilon = 10 }
data = { people = "left.csv" }
[[departments]]
name = "right"
budget = { epsilon = 10 }
data = { people = "right.csv" }
[[analysts]]
name = "ann"
"""


class Typed(Protocol):
    """A command, as far as this file needs it."""

    def configure(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sharefile._SCRYPT, "n", 1 << 14)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A founded federation, whose dealer deals from fixed primes."""
    file = tmp_path / "SPEC.toml"
    file.write_text(SPEC)
    spec = load_spec(file)
    arrangement = sandbox_arrangement(spec)
    with patch.object(dealing, "deal", lambda *_: full_dealt()):
        held = hold(spec, tmp_path / "dir", arrangement, lambda _: None)
    keep_passphrases(held, arrangement.passphrases)
    with patch.object(dealing, "deal", lambda *_: next_dealt()):
        yield held.folder


def typed(command: Typed, *argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args([*map(str, argv), "-o", "json"]))


def holder(root: Path, number: int) -> Path:
    return root / "keyholders" / f"keyholder-{number}" / "keyholder.toml"


def delivered(root: Path) -> roster_pb2.Charter:
    """What the coordinator finds, checked from its pin."""
    common = config.coordinator(root / "coordinator" / "coordinator.toml").common
    charters.load(common.path.parent / "successor.bin", common.roster)
    return roster_pb2.Charter.FromString((common.path.parent / "successor.bin").read_bytes())


def put_in_force(root: Path, charter: roster_pb2.Charter) -> None:
    """What the roles do when the log switches."""
    (root / "coordinator" / "successor.bin").unlink()
    for path in [*root.rglob("coordinator.toml"), *root.rglob("node.toml"), *root.rglob("keyholder.toml")]:
        state = path.parent / "state"
        state.mkdir(exist_ok=True)
        succession.replace(state / party.CHARTER, charter.SerializeToString())
    for number in (1, 2, 3):
        settings = config.keyholder(holder(root, number))
        Shares(settings.share, b"").settle(party.federation(settings.common))


def test_all_at_once_where_every_folder_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = [(root / f"keyholders/keyholder-{i}/keyholder-{i}.share").read_bytes() for i in (1, 2, 3)]
    assert typed(RefreshCommand(), root) == 0
    assert json.loads(capsys.readouterr().out)["refreshes"] == 1
    for command in (RefreshCommand(), RotateCommand()):
        with pytest.raises(Misconfigured, match="another succession is under way"):
            typed(command, root)
    charter = delivered(root)
    for i in (1, 2, 3):  # nothing that is in use has changed yet
        assert (root / f"keyholders/keyholder-{i}/keyholder-{i}.share").read_bytes() == before[i - 1]
        assert not (root / f"keyholders/keyholder-{i}/state/refresh.key").exists()
    put_in_force(root, charter)
    assert typed(RotateCommand(), root) == 0
    charter = delivered(root)
    assert (charter.roster.epoch, charter.public_key.epoch, charter.public_key.refreshes) == (3, 2, 0)
    put_in_force(root, charter)
    for i in (1, 2, 3):
        settings = config.keyholder(holder(root, i))
        secret = settings.passphrase_file.read_bytes().strip() if settings.passphrase_file else b""
        assert Shares(settings.share, secret).open(party.federation(settings.common)).index == i


def test_step_by_step_between_organisations(
        root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    for number in (1, 2):
        typed(OfferCommand(), holder(root, number), exchange)
    with pytest.raises(Misconfigured, match="no offer of keyholder-3"):
        typed(DealCommand(), holder(root, 1), exchange)
    typed(OfferCommand(), holder(root, 3), exchange)
    for number in (1, 2, 3):
        typed(DealCommand(), holder(root, number), exchange)
    good = (exchange / "keyholder-2.refresh-deal").read_bytes()
    (exchange / "keyholder-2.refresh-deal").write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(Misconfigured, match="not signed by keyholder-2"):
        typed(AddCommand(), holder(root, 1), exchange)
    assert len(list((root / "keyholders" / "keyholder-1").glob("*.share*"))) == 1
    (exchange / "keyholder-2.refresh-deal").write_bytes(good)
    for number in (1, 2, 3):
        typed(AddCommand(), holder(root, number), exchange)
    with pytest.raises(Misconfigured, match="has added already"):
        typed(AddCommand(), holder(root, 1), exchange)
    capsys.readouterr()
    typed(GatherCommand(), holder(root, 2), exchange)
    told = json.loads(capsys.readouterr().out)["roster"]
    coordinator = root / "coordinator" / "coordinator.toml"
    for name in ("left", "right"):
        with pytest.raises(Misconfigured, match=r"still awaited.*right"):
            typed(succession.SucceedCommand(), coordinator, exchange)
        typed(ApproveCommand(), exchange / "successor.bin", "--name", name, "--roster", told,
              "--signing-key", root / "nodes" / name / f"{name}-signing.key")
    typed(succession.SucceedCommand(), coordinator, exchange)
    assert delivered(root).public_key.refreshes == 1
    put_in_force(root, delivered(root))

    # The same files again are of a refresh that is over.
    with pytest.raises(Misconfigured, match="is for another refresh"):
        typed(DealCommand(), holder(root, 1), exchange)
    with pytest.raises(Misconfigured, match="is the charter in force"):
        typed(succession.SucceedCommand(), coordinator, exchange)


def test_a_dealer_rotates_for_organisations_apart(
        root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exchange, secrets = tmp_path / "exchange", tmp_path / "passphrases"
    exchange.mkdir()
    secrets.write_bytes(b"aaaaaaaa\nbbbbbbbb\ncccccccc\n")
    secrets.chmod(0o600)
    typed(RotateDealCommand(), root / "nodes/left/node.toml", exchange, "--passphrase-file", secrets)
    told = json.loads(capsys.readouterr().out)
    assert told["key_epoch"] == 2
    for i in (1, 2, 3):  # each holder's in a folder of its own
        (share,) = (exchange / f"for-keyholder-{i}").iterdir()
        assert share.name.startswith(f"keyholder-{i}.share.2-0-")
    assert not list(exchange.glob("*.share*"))
    with pytest.raises(Misconfigured, match="is there already"):
        typed(RotateDealCommand(), root / "nodes/left/node.toml", exchange, "--passphrase-file", secrets)
    for name in ("left", "right"):
        parser = argparse.ArgumentParser()
        ApproveCommand().configure(parser)
        ApproveCommand().run(parser.parse_args([
            str(exchange / "successor.bin"), "--name", name, "--roster", told["roster"],
            "--signing-key", str(root / "nodes" / name / f"{name}-signing.key")]))
        assert "to the coordinator's operator" in capsys.readouterr().out
    typed(succession.SucceedCommand(), root / "coordinator" / "coordinator.toml", exchange)
    assert delivered(root).public_key.epoch == 2


@pytest.mark.parametrize("damage, says", [
    (lambda c: c.roster.policy.__setattr__("min_departments", 1), "rules"),
    (lambda c: c.roster.__setattr__("epoch", 7), "epoch 7"),
    (lambda c: c.public_key.__setattr__("trial", c.public_key.trial[:-1]), "Paillier key|wrong length"),
    (lambda c: c.lineage[0].approvals.pop(), None),
])
def test_departments_approve_only_what_may_succeed(
        root: Path, tmp_path: Path, damage: Callable[[roster_pb2.Charter], object], says: str | None) -> None:
    """A department checks the proofs and the chain before it signs; the first roster's approvals it has."""
    federation = party.federation(config.node(root / "nodes/left/node.toml").common)
    dealt = next_dealt()
    key = keys.to_message(dealt.public, dealt.wellformed, dealt.trial)
    charter = succession.offer(tmp_path, federation, key)
    damage(charter)
    (tmp_path / "successor.bin").write_bytes(charter.SerializeToString())
    argv: list[str | Path] = [
        tmp_path / "successor.bin", "--name", "left", "--roster", digest("roster", charter.roster).hex(),
        "--signing-key", root / "nodes/left/left-signing.key"]
    if says is None:
        assert typed(ApproveCommand(), *argv) == 0
        return
    with pytest.raises(Misconfigured, match=says):
        typed(ApproveCommand(), *argv)
    assert not list(tmp_path.glob("*.approval"))


def test_the_doctor_follows_the_chain_from_a_pin(root: Path) -> None:
    pin = config.coordinator(root / "coordinator" / "coordinator.toml").common.roster
    typed(RotateCommand(), root)
    charter = delivered(root)
    assert reach._succeeds(charter, pin) and not reach._succeeds(charter, b"p" * 32)
    charter.lineage[0].roster.policy.colluding += 1
    assert not reach._succeeds(charter, pin)


def test_a_folder_without_a_federation_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="federation init"):
        typed(RefreshCommand(), tmp_path)


def laid(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("keyholders/*/*.share*"))


@pytest.mark.parametrize("command", [RefreshCommand(), RotateCommand()])
def test_a_missing_member_is_named_before_anything_is_computed(root: Path, command: Typed) -> None:
    for gone in ("keyholders/keyholder-2", "nodes/right"):
        (root / gone).rename(root / "away")
        with patch.object(dealing, "deal", side_effect=AssertionError), \
                pytest.raises(Misconfigured, match=f"^{root / gone} is missing"):
            typed(command, root)
        (root / "away").rename(root / gone)
    secret = config.keyholder(holder(root, 3)).passphrase_file
    assert secret is not None
    secret.write_bytes(b"not this one")
    with pytest.raises(Misconfigured, match=r"keyholder-3\.share: the passphrase"):
        typed(command, root)
    assert laid(root) == [f"keyholder-{i}.share" for i in (1, 2, 3)]


@pytest.mark.parametrize("command", [RefreshCommand(), RotateCommand()])
@pytest.mark.parametrize("reason", [
    KeyboardInterrupt(), Misconfigured("the disk is full"),
    pytest.param(OSError("disk"), marks=pytest.mark.slow)])
def test_what_fails_midway_leaves_nothing_behind(
        root: Path, command: Typed, reason: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def fail(*_: object) -> None:
        seen.append(laid(root))
        raise reason

    with patch(f"{command.__module__}.deliver", fail), pytest.raises(type(reason)) as raised:
        typed(command, root)
    assert len(seen[0]) == 6 and laid(root) == [f"keyholder-{i}.share" for i in (1, 2, 3)]
    assert together.UNCHANGED in f"{raised.value} {capsys.readouterr().err}"
    assert typed(command, root) == 0


def test_a_running_coordinator_is_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "WAIT_S", 0.5)
    common = config.coordinator(root / "coordinator/coordinator.toml").common
    now = party.federation(common).charter
    assert together.await_switch(common, now) == (
        False, "No coordinator runs here: epoch 1 takes effect when the coordinator starts.")
    us = party.load(common, roster_pb2.ROLE_COORDINATOR)
    try:
        assert together.await_switch(common, now) == (True, "Epoch 1 is in force.")
        later = roster_pb2.Charter.FromString(now.SerializeToString())
        later.roster.epoch = 2
        assert "not in force after" in together.await_switch(common, later)[1]
    finally:
        os.close(us.lock)


def test_messages_name_what_is_wrong(root: Path, tmp_path: Path) -> None:
    exchange = tmp_path / "exchange"
    with pytest.raises(Misconfigured, match="no such folder"):
        typed(OfferCommand(), holder(root, 1), exchange)
    exchange.mkdir()
    with pytest.raises(Misconfigured, match=r"this is a node\.toml; a keyholder\.toml is expected"):
        typed(OfferCommand(), root / "nodes/left/node.toml", exchange)
    for number in (1, 2, 3):
        typed(OfferCommand(), holder(root, number), exchange)
    typed(DealCommand(), holder(root, 1), exchange)
    typed(DealCommand(), holder(root, 2), exchange)
    typed(OfferCommand(), holder(root, 3), exchange)
    typed(DealCommand(), holder(root, 3), exchange)
    with pytest.raises(Misconfigured, match="the offer of keyholder-3 has changed since"):
        typed(AddCommand(), holder(root, 1), exchange)
    (exchange / "keyholder-2.refresh-offer").write_bytes(b"")
    with pytest.raises(Misconfigured, match=r"keyholder-2\.refresh-offer: this is not"):
        typed(DealCommand(), holder(root, 1), exchange)
    (exchange / "successor.bin").write_bytes(b"")
    with pytest.raises(Misconfigured, match=r"successor\.bin: this is not a charter"):
        typed(succession.SucceedCommand(), root / "coordinator/coordinator.toml", exchange)


def test_a_stale_successor_says_which_epoch_it_follows(root: Path) -> None:
    typed(RefreshCommand(), root)
    stale = delivered(root)
    put_in_force(root, stale)
    typed(RefreshCommand(), root)
    common = config.coordinator(root / "coordinator/coordinator.toml").common
    put_in_force(root, delivered(root))
    with pytest.raises(Misconfigured, match="follows epoch 1; epoch 3 is in force here; start anew"):
        succession.deliver(common, stale)
