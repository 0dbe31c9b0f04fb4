"""What the fold over the log needs of each entry: plain values that travel between processes.

Named tuples, because there may be millions, and they travel several times faster than dataclasses.
"""

from collections.abc import Callable, Mapping
from sys import intern
from typing import Any, Final, NamedTuple

from cotally.v1 import log_pb2, query_pb2, roster_pb2, round_pb2
from cotally.v1.canonical import digest

from ..verify.signatures import Signatories
from . import policies, revocations, voids

HASH_BYTES: Final = 32


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

    `hashes` are those of the entries, one after the other; `steps` are (kind, population, round, loss).
    """

    node: str
    first: int
    previous: bytes
    hashes: bytes
    steps: tuple[tuple[int, str, bytes, int], ...]
    broken: str  # why they contradict themselves, or nothing
    grant: bytes = b""  # digest of the grant under which it committed


class Froze(NamedTuple):
    """A round's roster was frozen."""

    round: bytes
    ledgers: tuple[Links, ...]


class Transcribed(NamedTuple):
    """A round was combined, at a price; `granted` is what its departments' grants allow, 0 without limit.

    It was announced at *announced_ms*, Unix milliseconds.
    """

    round: bytes
    population: str
    pico_loss: int
    analyst: str
    purpose: str
    granted: int
    announced_ms: int


class Released(NamedTuple):
    """A round was released."""

    round: bytes


class Died(NamedTuple):
    """A round ended without a release."""

    round: bytes


class Voided(NamedTuple):
    """All key holders gave their word that a round stays closed, unless `flaw` says what is wrong with it."""

    round: bytes
    flaw: str


class Replayed(NamedTuple):
    """A stored release was given to another reader, at the price of its round; fields as in Transcribed.

    `grants` are digests, one of each department in the release.
    """

    round: bytes
    population: str
    pico_loss: int
    analyst: str
    purpose: str
    granted: int
    grants: tuple[bytes, ...]


class Renewed(NamedTuple):
    """Budgets are others from here on, unless `flaw` says what is wrong with the policy."""

    policy: roster_pb2.BudgetPolicy
    flaw: str


class Granted(NamedTuple):
    """A department lets an analyst ask."""

    leaf: log_pb2.GrantLeaf


class Revoked(NamedTuple):
    """Its issuer took something back, unless `flaw` says what is wrong with the list."""

    body: query_pb2.Revocation
    flaw: str


Fact = (Began | Succeeded | Announced | Froze | Transcribed | Released | Died | Voided | Replayed | Renewed
        | Granted | Revoked)
_ROUNDLESS: Final = ("genesis", "succession", "policy", "grant", "revocation")


def fact_of(entry: log_pb2.LogEntry, federation: str, members: Signatories) -> Fact:
    """Return what *entry* says, its own signatures checked; ValueError, with a sentence, if it is nothing."""
    kind = entry.WhichOneof("leaf")
    if kind is None:
        raise ValueError("holds nothing that this program knows")
    leaf = getattr(entry, kind)
    read = _READ.get(kind)
    if read is None:
        raise ValueError(f"is a {kind} entry, which this program does not know")
    if kind not in _ROUNDLESS and len(leaf.round) != HASH_BYTES:
        raise ValueError("names no round")
    return read(leaf, federation, members)


def _frozen(leaf: log_pb2.RosterLeaf, *_: object) -> Froze:
    nodes = [ledger.node for ledger in leaf.ledgers]
    if nodes != sorted(set(nodes)) or not nodes:
        raise ValueError("holds ledgers out of order, one twice, or none")
    return Froze(leaf.round, tuple(_links(ledger, leaf.round) for ledger in leaf.ledgers))


def _links(ledger: log_pb2.NodeLinks, round_: bytes) -> Links:
    """Read the links of a department, which have to chain and to end in the reservation of *round_*."""
    node, links = ledger.node, ledger.links
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
    steps = tuple((int(link.kind), link.population, link.round, link.pico_loss) for link in links)
    return Links(node, first.length, first.previous, b"".join(hashes), steps, broken, ledger.grant)


def _priced(leaf: log_pb2.TranscriptLeaf | log_pb2.ReplayLeaf) -> tuple[bytes, str, int, str, str, int]:
    """The fields of a charge; texts that come again and again are kept once."""
    return (leaf.round, intern(leaf.population), leaf.pico_loss, intern(leaf.analyst), intern(leaf.purpose),
            leaf.granted_pico_loss)


def _granted(leaf: log_pb2.GrantLeaf, *_: object) -> Granted:
    if len(leaf.grant) != HASH_BYTES or not leaf.department:
        raise ValueError("names no grant")
    return Granted(leaf)


_READ: Final[Mapping[str, Callable[[Any, str, Signatories], Fact]]] = {
    "genesis": lambda leaf, *_: Began(leaf),
    "succession": lambda leaf, *_: Succeeded(leaf),
    "announcement": lambda leaf, *_: Announced(leaf.round),
    "roster": _frozen,
    "transcript": lambda leaf, *_: Transcribed(*_priced(leaf), leaf.announced_ms),
    "release": lambda leaf, *_: Released(leaf.round),
    "dead": lambda leaf, *_: Died(leaf.round),
    "void": lambda leaf, *by: Voided(leaf.round, voids.flaw(leaf, *by)),
    "replay": lambda leaf, *_: Replayed(*_priced(leaf), tuple(leaf.grants)),
    "policy": lambda leaf, *by: Renewed(leaf.policy, policies.flaw(leaf, *by)),
    "grant": _granted,
    "revocation": lambda leaf, *by: Revoked(leaf.revocation.body, revocations.flaw(leaf.revocation, *by)),
}
