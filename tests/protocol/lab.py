"""A whole federation in memory: every party's real session over a small key, no socket, no clock.

A test plays the coordinator, so it can be as dishonest as it likes; the parties are the real ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cotally.server.audit.checkpoint import cosign_bytes, text
from cotally.server.audit.follower import Follower, genesis
from cotally.server.audit.follower_store import SCHEMA as FOLLOWER_SCHEMA
from cotally.server.audit.follower_store import FollowerStore
from cotally.server.audit.log import SCHEMA as LOG_SCHEMA
from cotally.server.audit.log import AuditLog
from cotally.server.audit.stages import grant_leaf
from cotally.server.coordinator.session import Round
from cotally.server.crypto import plaintext_proof
from cotally.server.crypto.packing import pack
from cotally.server.crypto.paillier import Encryptor
from cotally.server.crypto.signing import SigningKey
from cotally.server.keyholder.decryptions import Decryptions
from cotally.server.keyholder.session import KeyHolderSession
from cotally.server.ledger.ledger import SCHEMA as LEDGER_SCHEMA
from cotally.server.ledger.ledger import Ledger
from cotally.server.node.lists import SCHEMA as LISTS_SCHEMA
from cotally.server.node.lists import Lists
from cotally.server.node.permissions import Permissions
from cotally.server.node.rounds import SCHEMA as ROUNDS_SCHEMA
from cotally.server.node.rounds import Rounds, Sealed
from cotally.server.node.session import NodeSession
from cotally.server.protocol.announcement import announce
from cotally.server.protocol.commitment import proof_context
from cotally.server.protocol.reveal import roster_leaf
from cotally.server.store.database import open_database
from cotally.server.wire import keys as wire_keys
from cotally.server.wire.federation import VERSION, Federation
from cotally.server.wire.proofs import plaintext_message
from cotally.server.wire.signed import sign
from cotally.v1 import catalog_pb2, log_pb2, query_pb2, roster_pb2, round_pb2, work_pb2
from cotally.v1.canonical import digest
from tests.fixtures.keys import small_dealt

NOW = 1_800_000_000_000  # Unix milliseconds
DEPARTMENTS = ("health", "north", "tax")
BUDGET = 2 * 10**12      # 2 of what the population counts in


def catalog(departments: Sequence[str] = DEPARTMENTS) -> catalog_pb2.Catalog:
    """One joint table of 1,000 people with a sex and an income."""
    return catalog_pb2.Catalog(federation="lab", epoch=1, tables=[catalog_pb2.Table(
        name="people", population="residents", unit_column="pid", overlap=1, rows_per_person=1,
        groups_per_person=1, expected_people=1000, max_people=10_000,
        min_departments=min(3, len(departments)), vintage="1", holders=sorted(departments), columns=[
            catalog_pb2.Column(name="sex", type=catalog_pb2.COLUMN_TYPE_CATEGORY, codes=["0", "1"]),
            catalog_pb2.Column(name="income", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0",
                               upper="1000", nullable=False)])])


def count_by_sex(rho: str = "0.5") -> query_pb2.Query:
    """SELECT sex, COUNT(*) AS n FROM people GROUP BY sex"""
    return query_pb2.Query(
        table="people", keys=["sex"],
        statistics=[query_pb2.Statistic(alias="n", kind=query_pb2.STATISTIC_KIND_COUNT_ROWS)],
        privacy=query_pb2.PrivacyClause(rho=rho, confidence="0.95",
                                        mechanism=query_pb2.MECHANISM_GAUSSIAN))


@dataclass
class Department:
    """A real node session and what an honest department brings to it."""

    session: NodeSession
    ledger: Ledger
    followers: FollowerStore
    exact: list[int]
    key: SigningKey


@dataclass
class Holder:
    """A real key holder session."""

    session: KeyHolderSession
    followers: FollowerStore


@dataclass
class Played:
    """Everything one played round left behind."""

    round: Round
    evidence: work_pb2.Evidence
    partials: list[round_pb2.Partial] = field(default_factory=list)


class Lab:
    """Departments, key holders, an analyst, a log; the test is the coordinator."""

    def __init__(self, folder: Path, departments: Sequence[str] = DEPARTMENTS,
                 budgets: Sequence[roster_pb2.FilterBudget] = (),
                 encryption: "roster_pb2.Encryption.ValueType" = roster_pb2.ENCRYPTION_DJN) -> None:
        self.folder = folder
        self._encryption = encryption
        self.dealt = small_dealt()
        holders = [f"holder-{i}" for i in (1, 2, 3)]
        self.keys = {name: SigningKey.generate()
                     for name in ("ada", "eve", "coordinator", *departments, *holders)}
        self.charter = self._charter(departments, holders, budgets)
        self.federation = Federation(self.charter)
        self.audit = AuditLog(open_database(folder / "audit.db", LOG_SCHEMA))
        self.audit.append(genesis(self.charter))
        self.encryptor = Encryptor(self.federation.key)
        self.nodes = {name: self.department(name) for name in departments}
        self.holders = {name: self._holder(name, i) for i, name in enumerate(holders)}
        self.now = NOW
        self._salts = 0

    def _charter(self, departments: Sequence[str], holders: Sequence[str],
                 budgets: Sequence[roster_pb2.FilterBudget]) -> roster_pb2.Charter:
        key = wire_keys.to_message(self.dealt.public, self.dealt.wellformed, self.dealt.trial)
        listed = catalog(departments)
        roles = {"ada": roster_pb2.ROLE_ANALYST, "eve": roster_pb2.ROLE_ANALYST,
                 "coordinator": roster_pb2.ROLE_COORDINATOR,
                 **dict.fromkeys(departments, roster_pb2.ROLE_NODE),
                 **dict.fromkeys(holders, roster_pb2.ROLE_KEY_HOLDER)}
        roster = roster_pb2.Roster(
            version=VERSION, federation="lab", epoch=1, catalog=digest("catalog", listed),
            public_key=digest("public_key", key),
            members=[roster_pb2.Member(
                name=name, role=roles[name], signing_key=self.keys[name].public,
                tls_key=bytes([i]) * 32, share=holders.index(name) + 1 if name in holders else 0)
                for i, name in enumerate(sorted(roles))],
            policy=roster_pb2.Policy(min_departments=3, colluding=1, delta="0.00001", round_ms=20_000,
                                     tick_ms=50, threshold=2, budgets=budgets,
                                     encryption=self._encryption))
        approvals = [roster_pb2.Approval(department=d, signature=sign(self.keys[d], "roster", roster))
                     for d in departments]
        return roster_pb2.Charter(roster=roster, catalog=listed, public_key=key, approvals=approvals)

    def department(self, name: str, state: str = "") -> Department:
        """A node session over the state folder *state* (default: its own)."""
        folder = self.folder / (state or name)
        database = open_database(folder / "ledger.db", LEDGER_SCHEMA, ROUNDS_SCHEMA, LISTS_SCHEMA)
        ledger = Ledger(database, name, self.federation.catalog.pure)
        ledger.set_budget("residents", BUDGET)
        followers = FollowerStore(open_database(folder / "log.db", FOLLOWER_SCHEMA))
        follower = followers.load(self.charter)
        permissions = Permissions(self.federation, name, follower, Lists(database), [self.grant(name, "ada")])
        session = NodeSession(self.federation, name, self.keys[name], Rounds(database), ledger,
                              follower, permissions, 3)
        return Department(session, ledger, followers, [], self.keys[name])

    def grant(self, department: str, analyst: str) -> query_pb2.SignedGrant:
        """The permission that *department* signed for *analyst*."""
        body = query_pb2.Grant(federation="lab", founding=self.federation.founding, department=department,
                               analyst=analyst,
                               purposes=["statistics"], tables=["people"], not_before_ms=NOW - 10**9,
                               not_after_ms=NOW + 10**9)
        return query_pb2.SignedGrant(body=body, signature=sign(self.keys[department], "grant", body))

    def _holder(self, name: str, index: int) -> Holder:
        folder = self.folder / name
        followers = FollowerStore(open_database(folder / "log.db", FOLLOWER_SCHEMA))
        session = KeyHolderSession(self.federation, name, self.keys[name], self.dealt.shares[index],
                                   Decryptions(folder / "decryptions.db"), followers.load(self.charter))
        return Holder(session, followers)

    # The analyst

    def envelope(self, query: query_pb2.Query | None = None, query_id: bytes = b"",
                 analyst: str = "ada", signer: str = "") -> query_pb2.SignedEnvelope:
        """A signed question; a fresh query id unless one is given."""
        self._salts += 1
        body = query_pb2.Envelope(
            federation="lab", roster=self.federation.roster, analyst=analyst, purpose="statistics",
            query_id=query_id or self._salts.to_bytes(16, "big"), expires_ms=self.now + 60_000,
            query=query or count_by_sex())
        return query_pb2.SignedEnvelope(
            body=body, signature=sign(self.keys[signer or analyst], "envelope", body))

    # The coordinator, step by step

    def announce(self, envelope: query_pb2.SignedEnvelope | None = None,
                 participants: Sequence[str] = ()) -> round_pb2.SignedAnnouncement:
        """An honest announcement."""
        envelope = envelope or self.envelope()
        self._salts += 1
        return announce(self.federation, envelope, self.federation.price(envelope.body.query),
                        participants or list(self.nodes), self._salts.to_bytes(16, "big"), self.now,
                        self.keys["coordinator"])

    def commit(self, name: str, announcement: round_pb2.SignedAnnouncement,
               plaintexts: Sequence[int] | None = None) -> round_pb2.Commitment:
        """What an honest node does from announcement to commitment, without noise."""
        node = self.nodes[name]
        decision = node.session.decide(announcement, self.now)
        clear = node.session.reserve(decision)
        plan = decision.priced.plan
        if plaintexts is None:
            values = node.exact or [0] * plan.coordinates
            refined = [v * b.refinement for b in plan.blocks for v in values[b.offset:b.offset + b.cells]]
            plaintexts = pack(refined, plan.packing)
        made = self.encryptor.encrypt(plaintexts)
        proof = plaintext_proof.prove(self.federation.key, proof_context(clear), made.ciphertexts, plaintexts,
                                      made.randomness)
        self._salts += 1
        return node.session.commit(clear, Sealed(
            self._salts.to_bytes(32, "big"), made.ciphertexts, plaintext_message(proof)))

    def log(self, entry: log_pb2.LogEntry) -> int:
        """Append to the log."""
        return self.audit.append(entry)

    def show_grants(self, round_: Round) -> None:
        """Log the public fields of the grants in a frozen round, as often as it likes."""
        for commitment in round_.commitments.values():
            self.log(log_pb2.LogEntry(grant=grant_leaf(commitment.body.grant.body)))

    def checkpoint(self, size: int | None = None) -> log_pb2.Checkpoint:
        """The coordinator's signature under its log."""
        size = self.audit.size if size is None else size
        words = text("lab", size, self.audit.root(size))
        return log_pb2.Checkpoint(text=words, signature=self.keys["coordinator"].sign(words.encode()))

    def witness(self) -> log_pb2.WitnessedCheckpoint:
        """Let everybody fold the log and cosign it."""
        checkpoint = self.checkpoint()
        cosignatures = []
        parties: dict[str, Department | Holder] = {**self.nodes, **self.holders}
        for name, party in sorted(parties.items()):
            session, followers = party.session, party.followers
            first = session.follower.size
            data = followers.extend(session.follower, first,
                                    self.audit.entries(first, self.audit.size), checkpoint)
            assert data == cosign_bytes(checkpoint.text)
            cosignatures.append(log_pb2.Cosignature(witness=name, signature=session.sign(data)))
        return log_pb2.WitnessedCheckpoint(checkpoint=checkpoint, cosignatures=cosignatures)

    def play(self, envelope: query_pb2.SignedEnvelope | None = None) -> Played:
        """An honest round up to the evidence that key holders receive."""
        announcement = self.announce(envelope)
        round_ = Round(self.federation, announcement)
        for name in self.nodes:
            round_.commit(self.commit(name, announcement))
        frozen = round_.freeze(self.now, self.keys["coordinator"])
        self.log(log_pb2.LogEntry(roster=roster_leaf(frozen)))
        for node in self.nodes.values():
            round_.reveal(node.session.reveal(frozen, self.now))
        return Played(round_, self.evidence(round_))

    def evidence(self, round_: Round) -> work_pb2.Evidence:
        """Log the transcript, have it witnessed, and gather what key holders check."""
        self.show_grants(round_)
        index = self.log(log_pb2.LogEntry(transcript=round_.combine()))
        return work_pb2.Evidence(
            announcement=round_.announcement, frozen=round_.frozen, index=index, checkpoint=self.witness(),
            reveals=[round_.reveals[n] for n in round_.members])

    def decrypt(self, name: str, evidence: work_pb2.Evidence) -> round_pb2.Partial:
        """What an honest key holder does with evidence."""
        session = self.holders[name].session
        return session.decrypt(session.examine(evidence))

    def follower(self) -> Follower:
        """A fresh fold of the whole log."""
        follower = Follower(self.charter)
        follower.fold(self.audit.entries(0, self.audit.size))
        return follower
