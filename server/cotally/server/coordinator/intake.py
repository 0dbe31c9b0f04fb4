"""What the parties of a round send: checked, stored, counted, and the round's bell rung."""

import asyncio

from cotally.server.rpc.logs import Log
from cotally.v1 import analyst_pb2, roster_pb2, round_pb2
from cotally.v1.refusals import Refused

from .admission import Gate
from .live import LiveRounds
from .rounds import Part, Rounds
from .witnessing import Witnessing

_Step = analyst_pb2.Step


class Intake:
    """Takes commitments, refusals, reveals and partial decryptions of the *live* rounds."""

    def __init__(self, live: LiveRounds, rounds: Rounds, gate: Gate, witnessing: Witnessing,
                 log: Log) -> None:
        self._live = live
        self._rounds = rounds
        self._gate = gate
        self._witnessing = witnessing
        self._log = log

    def commit(self, commitment: round_pb2.Commitment) -> None:
        """Take a commitment (step 6)."""
        live = self._live.of(commitment.body.round)
        node = commitment.body.node
        fresh = node not in live.round.commitments
        if fresh and commitment.body.links:
            self._witnessing.follow()
            self._gate.check_links(commitment, live.round.announcement.body.plan)
        live.round.commit(commitment)
        if fresh:
            self._rounds.keep(live.round.id, Part.COMMITMENT, node, commitment)
            live.progress.step(_Step.STEP_COMMITTED, node, len(live.round.commitments),
                               len(live.round.participants))
            live.bell.set()

    def decline(self, member: roster_pb2.Member, round_: bytes, refused: Refused) -> None:
        """Take a refusal instead (steps 4 and 9)."""
        live = self._live.of(round_)
        self._log.warning("declined", round=round_, peer=member.name, refusal=refused.refusal,
                          message=refused.message)
        if member.role == roster_pb2.ROLE_NODE:
            live.round.decline(member.name, refused)
        else:
            live.refusing_holders[member.name] = refused
        live.bell.set()

    async def reveal(self, opened: round_pb2.Reveal) -> None:
        """Take a reveal (step 7)."""
        live = self._live.of(opened.body.round)
        node = opened.body.node
        fresh = node not in live.round.reveals
        await asyncio.to_thread(live.round.reveal, opened)
        if fresh:
            self._rounds.keep(live.round.id, Part.REVEAL, node, opened)
            live.revealed += 1  # others may have been checked meanwhile: count what was told
            live.progress.step(_Step.STEP_REVEALED, node, live.revealed, len(live.round.members))
            live.bell.set()

    async def partial(self, partial: round_pb2.Partial) -> None:
        """Take a partial decryption (step 9); one that does not verify takes its holder out."""
        live = self._live.of(partial.body.round)
        holder = partial.body.key_holder
        try:
            await asyncio.to_thread(live.round.partial, partial)
        except Refused as refused:
            live.refusing_holders[holder] = refused
            self._log.warning("partial_refused", round=live.round.id, peer=holder,
                              refusal=refused.refusal, message=refused.message)
            raise
        finally:
            live.bell.set()
        live.progress.step(_Step.STEP_DECRYPTED, holder, len(live.round.partials),
                           live.round.federation.policy.threshold)
