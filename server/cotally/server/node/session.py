"""A department's side of a round: decide, spend, seal, reveal once, and watch the log.

Rules, each refused by name:

- A round is taken only when its announcement equals our own calculation, our own grant covers the
  question, our operator accepts the number of departments, and the log still admits the price.
- One round per query id; a round that was interrupted between spending and sealing is lost, never
  measured again.
- A grant that was revoked counts no longer, neither for a decision nor for a reveal: a price that was
  spent between the two stays spent (`permissions`).
- No round with a participant whose ledger forks in the log: key holders would let it die, spent.
- The ledger must still contain the last entry of ours that was logged: a restored backup stops here.
- The price is spent durably before data is opened.
- For one round we reveal to one frozen roster, for ever, and only if our own commitment is in it and
  our operator accepts how many others are: participants may have dropped out, or been dropped.
- Neither is done under a charter that the log we folded has put out of force, whoever keeps the next from us.
- A price comes back only for a round whose void leaf we folded, and never more in all than our operator
  accepts: t key holders who collude could open what was refunded.
- Only a policy in the log raises our budget.
- A checkpoint is cosigned only when it extends what we have folded.

No socket, no clock, no randomness: times, salts and measurements are arguments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cotally.server.audit.follower import Follower
from cotally.server.crypto.signing import SigningKey
from cotally.server.ledger.ledger import Ledger
from cotally.server.protocol import commitment as commitments
from cotally.server.protocol.announcement import (
    charge,
    check_alive,
    check_announcement,
    check_clock,
    check_envelope,
    round_id,
)
from cotally.server.protocol.frozen import check_frozen, frozen_digest
from cotally.server.protocol.reveal import reveal
from cotally.server.wire.equal import fingerprint
from cotally.server.wire.federation import Federation, Priced
from cotally.v1 import log_pb2, query_pb2, round_pb2
from cotally.v1.canonical import digest
from cotally.v1.refusals import Refusal, Refused

from .permissions import Permissions
from .rounds import Record, Rounds, Sealed, State


@dataclass(frozen=True, slots=True)
class Decision:
    """A round that this node takes part in, and under which grant."""

    round: bytes
    announcement: round_pb2.SignedAnnouncement
    priced: Priced
    grant: query_pb2.SignedGrant


class NodeSession:
    """The rules above, over one node's rounds, ledger and view of the log."""

    def __init__(
        self, federation: Federation, name: str, key: SigningKey, rounds: Rounds, ledger: Ledger,
        follower: Follower, permissions: Permissions, accept_minimum: int,
        refunds: Fraction = Fraction(1),
    ) -> None:
        self.federation = federation
        self.name = name
        self.follower = follower
        self._key = key
        self._rounds = rounds
        self._ledger = ledger
        self.permissions = permissions
        self._accept_minimum = accept_minimum
        self._refunds = refunds

    def under(self, federation: Federation) -> "NodeSession":
        """This session under a successor: its rounds, ledger, log and permissions go on."""
        return NodeSession(federation, self.name, self._key, self._rounds, self._ledger, self.follower,
                           self.permissions, self._accept_minimum, self._refunds)

    def sign(self, data: bytes) -> bytes:
        """Our signature under what the follower allowed us to cosign."""
        return self._key.sign(data)

    # Step 4: decide

    def decide(self, announcement: round_pb2.SignedAnnouncement, now_ms: int) -> Decision:
        """Take part in a new round, or refuse; nothing is written or read yet."""
        priced = check_announcement(self.federation, announcement)
        self.follower.check_in_force(self.federation.roster)
        body = announcement.body
        check_clock(body, now_ms)
        if self.follower.is_dead(round_id(announcement)):
            raise Refused(Refusal.OUT_OF_ORDER, "the log declares this round dead")
        if self._ledger.reserves(round_id(announcement)):
            raise Refused(Refusal.OUT_OF_ORDER,
                          f"{self.name} has paid for this round and lost what it measured; it takes no part")
        if self.name not in body.participants:
            raise Refused(Refusal.NOT_ALLOWED, f"{self.name} is no participant of this round")
        self._check_accepted(len(body.participants))
        grant = self.permissions.find(body.envelope.body, now_ms)
        self._check_ledgers_are_current(body.participants)
        self.follower.check_filters(charge(body.envelope.body, priced.plan, [grant]))
        return Decision(round_id(announcement), announcement, priced, grant)

    def _check_accepted(self, departments: int) -> None:
        if departments < self._accept_minimum:
            raise Refused(Refusal.TOO_FEW_DEPARTMENTS,
                          f"{self.name} takes part only among {self._accept_minimum} departments or more")

    def _check_ledger_is_current(self) -> None:
        logged = self.follower.last_link(self.name)
        if logged is not None:
            self._ledger.check_logged(*logged)

    def _check_ledgers_are_current(self, participants: Sequence[str]) -> None:
        self._check_ledger_is_current()
        forked = sorted(self.follower.forked.intersection(participants))
        if forked:
            raise Refused(Refusal.EQUIVOCATION,
                          f"the log holds a fork of the ledger of {', '.join(forked)}")

    # Steps 4 and 6: spend, then seal what was measured

    def reserve(self, decision: Decision, sent: bytes = b"") -> round_pb2.CommitmentBody:
        """Spend the price, durably, and return the commitment's clear fields.

        *sent* is the hash of the last entry of our record of what we sent: the log will remember it.
        """
        plan = decision.priced.plan
        try:
            self._ledger.reserve(
                decision.round, plan.population, plan.pico_loss,
                beside=lambda db: self._rounds.open(db, decision.round, decision.announcement))
        except Refused:
            self._rounds.refuse(decision.round, decision.announcement)
            raise
        logged = self.follower.last_link(self.name)
        links = self._ledger.links(logged[0] if logged else 0, decision.round)
        return commitments.clear_fields(self.federation, decision.announcement, self.name, links,
                                        decision.grant, sent)

    def commit(self, clear: round_pb2.CommitmentBody, sealed: Sealed) -> round_pb2.Commitment:
        """Store the sealed measurement and return the signed commitment to send at D."""
        seal = commitments.seal(clear, sealed.salt, sealed.ciphertexts, sealed.proof)
        commitment = commitments.commit(clear, seal, self._key)
        self._rounds.committed(clear.round, commitment, sealed)
        return commitment

    def resume(self, round_: bytes) -> Record | None:
        """What was stored of a round that is posted again; refuses one that has no commitment."""
        record = self._rounds.get(round_)
        if record is not None and record.commitment is None:
            raise Refused(Refusal.OUT_OF_ORDER,
                          f"{self.name} refused this round, or was interrupted after it spent for it; "
                          "it takes no part")
        return record

    # Step 7: reveal

    def reveal(self, frozen: round_pb2.SignedFrozenRoster, now_ms: int) -> round_pb2.Reveal:
        """Open our commitment to this roster, having bound ourselves to no other, while the round lives."""
        record = self._rounds.get(frozen.body.round)
        if record is None or record.commitment is None or record.sealed is None:
            raise Refused(Refusal.OUT_OF_ORDER, f"{self.name} has nothing to reveal in this round")
        check_alive(record.announcement.body, now_ms)
        priced = self.federation.price(record.announcement.body.envelope.body.query)
        check_frozen(self.federation, record.announcement, priced, frozen)
        self.follower.check_in_force(self.federation.roster)
        ours = next((c for c in frozen.body.commitments if c.body.node == self.name), None)
        if ours is None or digest("commitment", ours.body) != digest("commitment", record.commitment.body):
            raise Refused(Refusal.EQUIVOCATION, f"the roster does not hold the commitment of {self.name}")
        self._check_accepted(len(frozen.body.commitments))
        self.permissions.check_standing(ours.body.grant.body, record.announcement.body.envelope.body.purpose)
        self._rounds.bind(record.round, frozen_digest(frozen))
        sealed = record.sealed
        return reveal(frozen, self.name, sealed.salt, sealed.ciphertexts, sealed.proof, self._key)

    # Step 2: a stored release

    def permit(self, envelope: query_pb2.SignedEnvelope, round_: bytes, now_ms: int) -> query_pb2.SignedGrant:
        """Our grant under which the analyst may have the release of a round that we took part in.

        Refused: OUT_OF_ORDER (we were not in it), NOT_ALLOWED (another question, or no grant), EXPIRED,
        BUDGET_SPENT (his own filters, or our grant's budget, have too little left for its price).
        """
        check_envelope(self.federation, envelope)
        record = self._rounds.get(round_)
        if record is None or record.commitment is None:
            raise Refused(Refusal.OUT_OF_ORDER, f"{self.name} was not in this round")
        body, answered = envelope.body, record.announcement.body
        if body.expires_ms < now_ms:
            raise Refused(Refusal.EXPIRED, "the question has expired; ask it again")
        catalog = self.federation.charter.catalog
        if fingerprint(body.query, catalog) != fingerprint(answered.envelope.body.query, catalog):
            raise Refused(Refusal.NOT_ALLOWED, "the release answers another question")
        grant = self.permissions.find(body, now_ms)
        self.follower.check_replay(charge(body, answered.plan, [grant]))
        return grant

    # Step 10: the round ended

    def follow(self, entry: log_pb2.LogEntry) -> None:
        """Do what a logged entry asks of us: end its round, or take over a budget that was renewed."""
        match entry.WhichOneof("leaf"):
            case "release":
                self.close(entry.release.round)
            case "dead":
                self.forget(entry.dead.round)
            case "void":
                self.void(entry.void.round)
            case "policy":
                self.take_budgets()

    def settle(self) -> None:
        """Do what the log that we folded says and a stop, or a disk that failed, kept us from doing."""
        for round_ in self._ledger.open_rounds():
            if self.follower.is_void(round_):
                self.void(round_)
            elif self.follower.is_dead(round_):
                self.forget(round_)
            elif self.follower.is_released(round_):
                self.close(round_)
        self.take_budgets()

    def forget(self, round_: bytes) -> None:
        """Delete the secrets of a dead round; its price stays reserved, unless the round is voided."""
        self._rounds.forget(round_)

    def void(self, round_: bytes) -> None:
        """Take back the price of a round that the log holds a void leaf of, as far as we ever take back."""
        if self.follower.is_void(round_):
            self._ledger.void(round_, self._refunds, beside=lambda db: self._rounds.close(db, round_))

    def take_budgets(self) -> None:
        """Let the budgets of the log's last policy be those of our ledger, once it is as new as the log."""
        try:
            self._check_ledger_is_current()
        except Refused:
            return
        for population in sorted({t.population for t in self.federation.catalog.tables}):
            budget = self.follower.budget_of(self.name, population)
            if budget is not None:
                self._ledger.set_budget(population, budget)

    def close(self, round_: bytes) -> None:
        """Commit the reservation of a released round and delete the secrets."""
        record = self._rounds.get(round_)
        if record is not None and record.state is not State.DONE:
            self._ledger.commit(round_, beside=lambda db: self._rounds.close(db, round_))
