"""Shares are refreshed and the key rotated in a running federation, while an analyst keeps asking."""

import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from cotally.client.connection import Connection
from cotally.client.release import Release
from cotally.server.crypto import sharefile
from cotally.server.ops.rotate import RotateCommand
from cotally.server.settings import config, party
from cotally.v1 import roster_pb2
from tests.fixtures.keys import next_dealt
from tests.system.asking import charges, log_of, price
from tests.system.holdings import COUNT, DEPARTMENTS, write_holdings
from tests.system.running import Running, eventually, run, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A federation for this file alone: its key changes."""
    folder = tmp_path_factory.mktemp("succession")
    spec = write_holdings(folder / "spec")
    said = spec.read_text()  # seven processes make ready at once on this machine: nobody shall be late
    assert "tick_ms = 1000 " in said
    spec.write_text(said.replace("tick_ms = 1000 ", "tick_ms = 3000 "))
    with running(spec, folder / "federation") as federation:
        yield federation


@contextmanager
def asking(con: Connection) -> Iterator[list[Release]]:
    """Ask one question after the other in the background; whatever fails fails the test."""
    releases: list[Release] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                releases.append(con.sql(COUNT).run())
            except BaseException as error:
                failures.append(error)
                return

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield releases
        before = len(releases)
        eventually(lambda: failures or len(releases) > before + 1, "two more answers")
    finally:
        stop.set()
        thread.join(60)
    assert not failures, failures


def charter(federation: Running, name: str) -> roster_pb2.Charter:
    """The charter that this role would start with."""
    path = federation.roles[name].state / party.CHARTER
    if not path.exists():
        path = federation.roles[name].config.parent / "charter.bin"
    return roster_pb2.Charter.FromString(path.read_bytes())


def at_epoch(federation: Running, epoch: int, *names: str) -> Callable[[], bool]:
    """Whether these roles (all, where none is named) work under the roster of this epoch."""
    return lambda: all(charter(federation, n).roster.epoch == epoch for n in names or federation.roles)


def shares(federation: Running, name: str) -> list[Path]:
    """The share files of one key holder."""
    return sorted(federation.roles[name].config.parent.glob("*.share*"))


def rotate(federation: Running) -> None:
    """`cotally federation rotate DIR`, but for the search for primes."""
    with patch("cotally.server.crypto.ceremony.deal", lambda *_: next_dealt()):
        assert RotateCommand().run(Namespace(dir=federation.root, output="json")) == 0


def test_questions_are_answered_while_shares_are_refreshed_and_the_key_is_rotated(
        own: Running, tmp_path: Path) -> None:
    with own.connect() as con:
        cost = price(con)
        first = con.sql(COUNT).run()
        spent = own.spent()
        old = {name: shares(own, name)[0].read_bytes() for name in own.holders}
        with asking(con) as releases:
            done = run("federation", "refresh", own.root, "-o", "json")
            assert done.status == 0, done.err
            assert done.json["refreshes"] == 1
            eventually(at_epoch(own, 2), "the refreshed key is in force everywhere")
            rotate(own)
            eventually(at_epoch(own, 3), "the new key is in force everywhere")
        again = con.release(first.id)  # fetched after both
    assert again.to_dict() == first.to_dict()
    assert charges(spent, own.spent()) == dict.fromkeys(DEPARTMENTS, len(releases) * cost)
    assert not any(release.missing for release in releases)

    # Old shares are gone, and the new ones are those of the charter in force.
    for name in own.holders:
        settings = config.keyholder(own.roles[name].config)
        assert shares(own, name) == [settings.share] and settings.share.read_bytes() != old[name]
        assert sharefile.belongs(settings.share, party.federation(settings.common).share_binding)

    # The log tells both successions; every release verifies offline under the first pin.
    leaves = [entry.WhichOneof("leaf") for entry in log_of(own)]
    assert leaves.count("succession") == 2 and leaves.count("genesis") == 1
    epochs = set()
    for at, release in enumerate([first, *releases]):
        path = tmp_path / f"{at}.release"
        release.save(path)
        verified = run("release", "verify", path, "--profile", own.profile(), "-o", "json")
        assert verified.status == 0, verified.err
        epochs.add(release._verified.bundle.charter.roster.epoch)
    assert epochs == {1, 3} or epochs == {1, 2, 3}


def test_who_was_away_catches_up_and_a_crash_changes_nothing(own: Running) -> None:
    """A department and a key holder are down during a refresh; then everybody is killed."""
    epoch = charter(own, "coordinator").roster.epoch
    with own.connect() as con:
        con.sql(COUNT).run()
        own.kill("south", "keyholder-3", "coordinator")
        done = run("federation", "refresh", own.root, "-o", "json")
        assert done.status == 0, done.err
        again = run("federation", "refresh", own.root, "-o", "json")
        assert again.status == 3 and "another succession is under way" in again.message
        seen = len(own.said("coordinator", "successor"))
        own.start("coordinator")
        eventually(lambda: len(own.said("coordinator", "successor")) > seen, "the coordinator saw it")
        own.kill("coordinator")  # in the middle of it
        own.start("coordinator")
        here = [n for n in own.roles if n not in ("south", "keyholder-3")]
        eventually(at_epoch(own, epoch + 1, *here), "those that are there switch")
        assert con.sql(COUNT).run().missing == ("south",)
        own.heal()
        eventually(at_epoch(own, epoch + 1), "those that were away catch up")
        eventually(lambda: not con.sql(COUNT).run().missing, "south takes part again")
    spent = own.spent()
    own.kill(*own.processes)
    own.heal()
    assert at_epoch(own, epoch + 1)() and own.spent() == spent
    with own.connect() as con:
        assert not con.sql(COUNT).run().missing
    log_of(own)
