"""A small federation with real keys, and shorthands for what its log may hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.audit.follower import Follower, entry_hash, genesis
from cotally.server.audit.merkle import Tree
from cotally.server.crypto.signing import SigningKey
from cotally.v1 import log_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest

NODES = ("east", "north", "south")
HOLDERS = ("holder1", "holder2", "holder3")
BUDGETS = (("people", "", 100), ("people", "alice", 60), ("people", "bob", 80), ("events", "alice", 10))


@dataclass
class World:
    """The pinned charter (3 nodes, 3 key holders, c = 1, t = 2) and everybody's signing keys."""

    keys: dict[str, SigningKey] = field(
        default_factory=lambda: {n: SigningKey.generate() for n in ("board", "alice", *NODES, *HOLDERS)})
    charter: roster_pb2.Charter = field(init=False)

    def __post_init__(self) -> None:
        roles = {"board": roster_pb2.ROLE_COORDINATOR, "alice": roster_pb2.ROLE_ANALYST,
                 **dict.fromkeys(NODES, roster_pb2.ROLE_NODE),
                 **dict.fromkeys(HOLDERS, roster_pb2.ROLE_KEY_HOLDER)}
        self.charter = roster_pb2.Charter(roster=roster_pb2.Roster(
            version=1, federation="pums", catalog=b"c" * 32, public_key=b"k" * 32,
            members=[roster_pb2.Member(name=n, role=roles[n], signing_key=self.keys[n].public)
                     for n in sorted(roles)],
            policy=roster_pb2.Policy(
                min_departments=3, colluding=1, threshold=2,
                budgets=[roster_pb2.FilterBudget(population=p, analyst=a, pico_rho=b)
                         for p, a, b in BUDGETS]),
        ))

    def sign(self, checkpoint: str, by: str = "board") -> log_pb2.Checkpoint:
        """A checkpoint with this text."""
        return log_pb2.Checkpoint(text=checkpoint, signature=self.keys[by].sign(checkpoint.encode()))

    def checkpoint(self, entries: Sequence[log_pb2.LogEntry], federation: str = "pums") -> log_pb2.Checkpoint:
        """The coordinator's checkpoint over exactly these entries."""
        tree = Tree(entry_hash(e) for e in entries)
        return self.sign(text(federation, tree.size, tree.root()))

    def witnessed(self, checkpoint: log_pb2.Checkpoint, by: Sequence[str]) -> log_pb2.WitnessedCheckpoint:
        """The checkpoint with cosignatures by these members."""
        data = cosign_bytes(checkpoint.text)
        return log_pb2.WitnessedCheckpoint(checkpoint=checkpoint, cosignatures=[
            log_pb2.Cosignature(witness=n, signature=self.keys[n].sign(data)) for n in by])

    def genesis(self) -> log_pb2.LogEntry:
        """Entry 0."""
        return genesis(self.charter)

    def follow(self, *entries: log_pb2.LogEntry) -> Follower:
        """A follower that folded genesis and *entries* under one checkpoint."""
        follower = Follower(self.charter)
        log = [self.genesis(), *entries]
        follower.extend(0, log, self.checkpoint(log))
        return follower


@pytest.fixture(scope="session")
def world() -> World:
    return World()


def announcement(round_: bytes) -> log_pb2.LogEntry:
    return log_pb2.LogEntry(announcement=log_pb2.AnnouncementLeaf(round=round_))


def transcript(
    round_: bytes, price: int, analyst: str = "alice", population: str = "people", contents: bytes = b"t"
) -> log_pb2.LogEntry:
    return log_pb2.LogEntry(transcript=log_pb2.TranscriptLeaf(
        round=round_, population=population, pico_rho=price, analyst=analyst, purpose="statistics",
        transcript=contents))


def dead(round_: bytes) -> log_pb2.LogEntry:
    return log_pb2.LogEntry(dead=log_pb2.DeadLeaf(round=round_, reason="WITHHELD", departments=["north"]))


def roster(round_: bytes, frozen: bytes = b"f", **links: Sequence[round_pb2.LedgerEntry]) -> log_pb2.LogEntry:
    return log_pb2.LogEntry(roster=log_pb2.RosterLeaf(round=round_, frozen=frozen, ledgers=[
        log_pb2.NodeLinks(node=n, links=links[n]) for n in sorted(links)]))


def chain(node: str, *steps: tuple[str, bytes, int]) -> list[round_pb2.LedgerEntry]:
    """A ledger over population people: steps of (kind, round, pico-rho), hash-chained from the start."""
    entries: list[round_pb2.LedgerEntry] = []
    for kind, round_, amount in steps:
        entries.append(round_pb2.LedgerEntry(
            node=node, length=len(entries) + 1, previous=digest("ledger", entries[-1]) if entries else b"",
            kind=round_pb2.LedgerKind.Value(f"LEDGER_KIND_{kind}"), population="people", round=round_,
            pico_rho=amount))
    return entries
