"""A log fetched into a file: gone on from, and refused, by index, where the coordinator cheats."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cotally.client.audit import page
from cotally.client.audit.evidence import Writer
from cotally.client.audit.fetch import CoordinatorLog, Source, fetch
from cotally.client.audit.verifier import Audited, verify_file
from cotally.client.audit.views import check_same_log
from cotally.client.verify.log import entry_hash
from cotally.client.verify.merkle import root
from cotally.server.audit.merkle import Tree
from cotally.v1 import audit_pb2, log_pb2, roster_pb2, work_pb2
from cotally.v1.refusals import Misconfigured, Refusal, Refused
from tests.fixtures.long_log import witness
from tests.unit.client.audit.planting import Entries, entries, evidence_file, long_log, written


@dataclass
class Straw:
    """A coordinator's log in memory: what it signed, and what it sends."""

    signed: Entries
    sent: Entries | None = None
    asked: list[tuple[int, int]] = field(default_factory=list)

    def checkpoint(self) -> log_pb2.WitnessedCheckpoint:
        """Everybody's, over what is signed."""
        return witness(len(self.signed), root(map(entry_hash, self.signed)))

    def entries(self, first: int, size: int) -> Iterator[log_pb2.LogEntry]:
        """What is sent."""
        self.asked.append((first, size))
        yield from (self.signed if self.sent is None else self.sent)[first:size]

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Honest: the coordinator has only one tree that it can prove."""
        return Tree(map(entry_hash, self.signed)).consistency(first, second)


def fetched(source: Source, path: Path) -> Audited:
    return fetch(source, long_log(1).charter, long_log(1).pin, path)


def test_a_file_is_written_and_gone_on_from(tmp_path: Path) -> None:
    path, source = tmp_path / "a.audit", Straw(entries(30))
    assert fetched(source, path).head.size == 30
    once = path.read_bytes()
    assert fetched(source, path).head.size == 30 and path.read_bytes() == once
    source.signed = entries(42)
    audited = fetched(source, path)
    assert (audited.head.size, audited.checkpoints) == (42, 2)
    assert source.asked == [(0, 30), (30, 30), (30, 42)]
    assert verify_file(path, long_log(1).pin) == audited
    assert [each.name for each in tmp_path.iterdir()] == ["a.audit"]


@pytest.mark.parametrize("index", [1, 7, 20, 28, 29])
def test_an_entry_that_was_not_signed_is_located(tmp_path: Path, index: int) -> None:
    path, sent = tmp_path / "a.audit", entries(30)
    sent[index].CopyFrom(log_pb2.LogEntry(announcement=log_pb2.AnnouncementLeaf(round=bytes(32))))
    with pytest.raises(Refused, match=f"entry {index} is the first that the coordinator cannot prove"):
        fetched(Straw(entries(30), sent), path)
    assert not list(tmp_path.iterdir())


def test_a_log_that_was_rewritten_since_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "a.audit"
    fetched(Straw(entries(30)), path)
    kept, rewritten = path.read_bytes(), entries(42)
    rewritten[6].transcript.transcript = bytes(32)
    with pytest.raises(Refused, match="entry 6 is the first") as caught:
        fetched(Straw(rewritten), path)
    assert caught.value.refusal is Refusal.EQUIVOCATION and path.read_bytes() == kept
    with pytest.raises(Refused, match="ends before entry 21") as caught:
        fetched(Straw(entries(21)), path)
    assert caught.value.refusal is Refusal.STEPPED_BACK and path.read_bytes() == kept


def test_two_views_of_one_size_are_found_out(tmp_path: Path) -> None:
    path = tmp_path / "a.audit"
    fetched(Straw(entries(30)), path)
    other = entries(30)
    other[6].transcript.transcript = bytes(32)
    with pytest.raises(Refused, match="entry 6 is the first"):
        fetched(Straw(other), path)
    theirs = tmp_path / "b.audit"
    views = [(each, fetched(Straw(log), each)) for each, log in ((path, entries(30)), (theirs, other))]
    with pytest.raises(Refused, match=r"entry 6 differs: .*b\.audit are two views of the first 30"):
        check_same_log(views)
    longer = tmp_path / "c.audit"
    assert check_same_log([(longer, fetched(Straw(entries(42)), longer)), views[0]]).head.size == 42
    with pytest.raises(Refused, match="entry 6 differs"):
        check_same_log([(longer, fetched(Straw(entries(42)), longer)), views[1]])


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "thesis.txt"
    for data in (b"my thesis", b"", evidence_file(9)[:300], evidence_file(9)[:-1]):
        path.write_bytes(data)
        with pytest.raises(Misconfigured, match="no whole audit file"):
            fetched(Straw(entries(9)), path)
        assert path.read_bytes() == data


def test_the_file_of_another_federation_is_named_and_kept(tmp_path: Path) -> None:
    path, output, charter = tmp_path / "a.audit", io.BytesIO(), roster_pb2.Charter()
    charter.CopyFrom(long_log(1).charter)
    charter.roster.federation += "x"
    writer = Writer(output, charter)
    writer.entry(entries(9)[0])
    writer.end()
    path.write_bytes(output.getvalue())
    with pytest.raises(Refused, match="of another federation: name another") as caught:
        fetched(Straw(entries(9)), path)
    assert caught.value.refusal is Refusal.CREDENTIALS and str(path) in caught.value.message
    assert path.read_bytes() == output.getvalue()


@dataclass
class Stub:
    """What CoordinatorLog calls: sends these growths."""

    growths: list[work_pb2.Growth]

    def Entries(  # noqa: N802 - named by the contract
        self, request: audit_pb2.EntriesRequest, timeout: float,
    ) -> Iterator[work_pb2.Frame]:
        """One frame for each."""
        return (work_pb2.Frame(part=growth.SerializeToString(), last=True) for growth in self.growths)


@pytest.mark.parametrize("cut, sentence", [
    ([(0, 4), (4, 9)], ""), ([(0, 4), (5, 9)], "entry 4 is missing: the coordinator went on with entry 5"),
    ([(0, 4)], "entry 4 is missing: the coordinator sent 4 entries, not 9"),
    ([(0, 4), (4, 12)], "entry 9 was not asked for"),
])
def test_entries_that_are_left_out_on_the_wire_are_named(cut: list[tuple[int, int]], sentence: str) -> None:
    log = entries(12)
    stub = Stub([work_pb2.Growth(first=a, entries=log[a:b]) for a, b in cut])
    source = CoordinatorLog(stub, "board")  # type: ignore[arg-type]
    if sentence:
        with pytest.raises(Refused, match=sentence):
            list(source.entries(0, 9))
    else:
        assert list(source.entries(0, 9)) == log[:9]


def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", 64)
    path, pin = tmp_path / "a.audit", long_log(1).pin
    path.write_bytes(evidence_file(300, 70))
    assert verify_file(path, pin, 2) == verify_file(path, pin)
    forged = entries(300)
    index = next(at for at in range(200, 300) if forged[at].WhichOneof("leaf") == "transcript")
    forged[index].transcript.analyst = "mallory"  # whom no department let ask what is then released
    path.write_bytes(written(forged))
    assert [finding.index for finding in verify_file(path, pin, 2).findings] == [index, index + 1]
    data = bytearray(evidence_file(300))
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)
    sentences = []
    for processes in (1, 2):
        with pytest.raises(Refused) as caught:
            verify_file(path, pin, processes)
        sentences.append(caught.value.message)
    assert sentences[0] == sentences[1] and re.search(r"entry (19|20)\d was altered", sentences[0])


@pytest.mark.slow
def test_a_long_log_is_checked_in_pages(tmp_path: Path) -> None:
    path, log = tmp_path / "long.audit", long_log(100_000)
    log.write(path, every=7_000)
    audited = verify_file(path, log.pin, 2)
    assert (audited.head.size, audited.checkpoints, audited.found) == (100_000, 15, 0)
    assert 23_000 < audited.rounds["announced"] < 25_000
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)
    with pytest.raises(Refused, match=r"entry 7\d{4}"):
        verify_file(path, log.pin, 2)
