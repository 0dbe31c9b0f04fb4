"""`cotally node sent --log`: what the audit log remembers of what was sent cannot be cut off the record."""

import io
import sqlite3
from argparse import ArgumentParser, Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cotally.client.audit.evidence import Writer
from cotally.server.audit.lineage import first
from cotally.server.node.sent import SCHEMA, Sent
from cotally.server.ops import sent as ops
from cotally.server.settings import config, party
from cotally.server.store.database import open_database
from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.bundle import Round

ROUNDS = [bytes([number]) * 32 for number in range(1, 4)]


class Kept:
    """A node's state folder, in which it sent something before each of its commitments, and an audit file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.evidence = folder / "sent.db", folder / "log.audit"
        common = SimpleNamespace(name="tax", state=folder)
        self.charter = Round().charter()
        monkeypatch.setattr(party, "federation", lambda _: SimpleNamespace(
            founding=digest("roster", first(self.charter))))
        monkeypatch.setattr(config, "node", lambda _: SimpleNamespace(common=common))
        chain = Sent(open_database(self.path, SCHEMA), iter(range(1, 10_000)).__next__)
        self.entries: list[log_pb2.LogEntry] = []
        for number, round_ in enumerate(ROUNDS):
            chain.note("Decline", b"", number, bytes([number]) * 32)
            self.roster(round_, chain.head())
            chain.note("Commit", round_, number, bytes([number]) * 32)
            self.entries.append(log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=round_)))

    def roster(self, round_: bytes, head: bytes) -> None:
        """Log that tax committed so."""
        self.entries.append(log_pb2.LogEntry(roster=log_pb2.RosterLeaf(round=round_, ledgers=[
            log_pb2.NodeLinks(node=node, sent=sent, links=[round_pb2.LedgerEntry(node=node)])
            for node, sent in (("health", b"h" * 32), ("tax", head))])))

    def damage(self, script: str) -> None:
        """Work on the record behind the node's back."""
        with sqlite3.connect(self.path) as db:
            db.executescript(script)
        db.close()

    def run(self, *words: str) -> int:
        """The command, beside an audit file of what was logged."""
        output = io.BytesIO()
        writer = Writer(output, self.charter)
        for entry in self.entries:
            writer.entry(entry)
        writer.end()
        self.evidence.write_bytes(output.getvalue())
        return ops.command.run(parsed("node.toml", "--log", str(self.evidence), *words))


def parsed(*words: str) -> Namespace:
    parser = ArgumentParser()
    ops.command.configure(parser)
    return parser.parse_args(words)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(tmp_path, monkeypatch)


def test_a_whole_record_holds_all_that_the_log_remembers(
    kept: Kept, capsys: pytest.CaptureFixture[str],
) -> None:
    assert kept.run() == 0
    assert "last entry of 3 rounds; all are here" in capsys.readouterr().out
    assert kept.run("-o", "json") == 0
    assert '"remembered": 3' in capsys.readouterr().out


@pytest.mark.parametrize(("first", "lost"), [(0, 3), (2, 2), (4, 1)])
def test_a_record_that_was_cut_short_before_a_commitment_is_found(kept: Kept, first: int, lost: int) -> None:
    kept.damage(f"DELETE FROM sent WHERE position >= {first}")
    with pytest.raises(Refused, match=f"cut short or written anew .*of {lost} of 3 rounds") as caught:
        kept.run()
    assert caught.value.refusal is Refusal.EQUIVOCATION
    assert ops.command.run(parsed("node.toml")) == 0  # by itself it is a chain


def test_a_record_that_was_written_anew_is_found(kept: Kept) -> None:
    kept.damage("DELETE FROM sent")
    again = Sent(open_database(kept.path, SCHEMA), iter(range(1, 10_000)).__next__)
    for number, round_ in enumerate(ROUNDS):  # as it was, but for the first message
        again.note("Decline", b"", max(number, 1), bytes([number]) * 32)
        again.note("Commit", round_, number, bytes([number]) * 32)
    with pytest.raises(Refused, match="of 3 of 3 rounds"):
        kept.run()


def test_what_came_after_the_last_commitment_may_be_missing(kept: Kept) -> None:
    kept.damage("DELETE FROM sent WHERE position >= 5")
    assert kept.run() == 0


def test_a_roster_that_no_key_holder_vouched_for_accuses_nobody(kept: Kept) -> None:
    kept.roster(b"x" * 32, b"x" * 32)
    assert kept.run() == 0


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[1:], lambda d: b"", lambda d: d[:-46]])
def test_what_is_no_whole_audit_file_is_named(kept: Kept, damage: Any) -> None:
    assert kept.run() == 0
    kept.evidence.write_bytes(damage(kept.evidence.read_bytes()))
    with pytest.raises(Misconfigured, match="no whole audit file"):
        ops.command.run(parsed("node.toml", "--log", str(kept.evidence)))


def test_an_audit_file_of_another_federation_accuses_nobody(kept: Kept) -> None:
    kept.charter.roster.federation += "x"
    kept.roster(b"x" * 32, b"x" * 32)
    kept.entries.append(log_pb2.LogEntry(release=log_pb2.ReleaseLeaf(round=b"x" * 32)))
    founding = digest("roster", first(Round().charter()))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Refused, match="is of another fed") as caught:
        patch.setattr(party, "federation", lambda _: SimpleNamespace(founding=founding))
        kept.run()
    assert caught.value.refusal is Refusal.CREDENTIALS and str(kept.evidence) in caught.value.message


def test_an_audit_file_of_a_later_roster_is_of_the_same_federation(kept: Kept) -> None:
    before = roster_pb2.Succession(roster=kept.charter.roster, approvals=kept.charter.approvals)
    kept.charter.lineage.append(before)
    kept.charter.roster.epoch += 1
    assert kept.run() == 0


def test_an_audit_file_that_is_not_there_is_said_to_be_missing(kept: Kept) -> None:
    with pytest.raises(Misconfigured, match=r"none\.audit: no such file"):
        ops.command.run(parsed("node.toml", "--log", str(kept.evidence.with_name("none.audit"))))


@pytest.mark.parametrize("words", [["--round", "zz"], ["--round", "0x"], ["--last", "0"], ["--last", "-3"],
                                   ["--last", "x"]])
def test_what_is_no_round_or_no_number_is_said_so(
    words: list[str], capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("node.toml", *words)
    assert ended.value.code == 2 and "is no" in capsys.readouterr().err
