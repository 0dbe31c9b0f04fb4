"""What the fold over the log needs of each entry: plain values that travel between processes.

Named tuples, because there may be millions, and they travel several times faster than dataclasses.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from cotally.v1 import log_pb2, round_pb2
from cotally.v1.canonical import digest

ROUND_BYTES: Final = 32


class Began(NamedTuple):
    """The genesis entry."""

    leaf: log_pb2.GenesisLeaf


class Succeeded(NamedTuple):
    """A succession entry."""

    leaf: log_pb2.SuccessionLeaf


class Announced(NamedTuple):
    """A round was announced."""

    round: bytes


class Links(NamedTuple):
    """What one department's ledger links in a roster say; they chain among themselves.

    `hashes` are those of the entries, one after the other; `steps` are (kind, population, round, pico-rho).
    """

    node: str
    first: int
    previous: bytes
    hashes: bytes
    steps: tuple[tuple[int, str, bytes, int], ...]
    broken: str  # why they contradict themselves, or nothing


class Froze(NamedTuple):
    """A round's roster was frozen."""

    round: bytes
    ledgers: tuple[Links, ...]


class Transcribed(NamedTuple):
    """A round was combined, at a price."""

    round: bytes
    population: str
    pico_rho: int
    analyst: str
    purpose: str


class Released(NamedTuple):
    """A round was released."""

    round: bytes


class Died(NamedTuple):
    """A round ended without a release."""

    round: bytes


Fact = Began | Succeeded | Announced | Froze | Transcribed | Released | Died


def fact_of(entry: log_pb2.LogEntry) -> Fact:
    """Return what *entry* says; ValueError, with a sentence, for one without meaning."""
    kind = entry.WhichOneof("leaf")
    if kind is None:
        raise ValueError("holds nothing that this program knows")
    leaf = getattr(entry, kind)
    read = _READ.get(kind)
    if read is None:
        raise ValueError(f"is a {kind} entry, which this program does not know")
    if kind not in ("genesis", "succession") and len(leaf.round) != ROUND_BYTES:
        raise ValueError("names no round")
    return read(leaf)


def _frozen(leaf: log_pb2.RosterLeaf) -> Froze:
    nodes = [ledger.node for ledger in leaf.ledgers]
    if nodes != sorted(set(nodes)) or not nodes:
        raise ValueError("holds ledgers out of order, one twice, or none")
    return Froze(leaf.round, tuple(_links(ledger.node, ledger.links, leaf.round) for ledger in leaf.ledgers))


def _links(node: str, links: Sequence[round_pb2.LedgerEntry], round_: bytes) -> Links:
    """Read the links of *node*, which have to chain and to end in the reservation of *round_*."""
    if not links:
        return Links(node, 0, b"", b"", (), "shows no entry")
    first, broken = links[0], ""
    hashes: list[bytes] = []
    for at, link in enumerate(links):
        due = (node, first.length + at, hashes[-1] if hashes else first.previous)
        if (link.node, link.length, link.previous) != due:
            broken = f"breaks at its entry {first.length + at}"
        hashes.append(digest("ledger", link))
    last = links[-1]
    if (last.kind, last.round) != (round_pb2.LEDGER_KIND_RESERVE, round_):
        broken = "does not reserve this round"
    if first.length < 1 or (first.length == 1) != (not first.previous):
        broken = "misstates its place"
    steps = tuple((int(link.kind), link.population, link.round, link.pico_rho) for link in links)
    return Links(node, first.length, first.previous, b"".join(hashes), steps, broken)


_READ: Final[Mapping[str, Callable[[Any], Fact]]] = {
    "genesis": Began,
    "succession": Succeeded,
    "announcement": lambda leaf: Announced(leaf.round),
    "roster": _frozen,
    "transcript": lambda leaf: Transcribed(
        leaf.round, leaf.population, leaf.pico_rho, leaf.analyst, leaf.purpose),
    "release": lambda leaf: Released(leaf.round),
    "dead": lambda leaf: Died(leaf.round),
}

